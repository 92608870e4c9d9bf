/**
 * Expressions: random cron expressions for tests and proofs, from a seed, so that a
 * case that failed can be had again. All are valid; some never fire.
 */

/** Numbers in [0, 1) that depend on nothing but the seed. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0; // mulberry32
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** One of some things. */
export function pick<T>(random: () => number, choices: readonly [T, ...T[]]): T {
  return choices[Math.floor(random() * choices.length)] ?? choices[0];
}

/** Makes an expression of five fields, or of six when `withSeconds`. */
export function randomExpression(random: () => number, withSeconds: boolean): string {
  const fields = [
    randomField(random, 0, 59, 0.2),
    random() < 0.5
      ? pick(random, ["0", "1", "2", "3", "0-3", "1-4", "2,4", "0,1,2", "23"])
      : randomField(random, 0, 23, 0.4),
    random() < 0.5 ? "*" : randomDayOfMonth(random),
    random() < 0.7 ? "*" : randomField(random, 1, 12, 0.1),
    random() < 0.5 ? "*" : randomDayOfWeek(random),
  ];
  if (withSeconds) fields.unshift(randomField(random, 0, 59, 0.2));
  return fields.join(" ");
}

function between(random: () => number, low: number, high: number): number {
  return low + Math.floor(random() * (high - low + 1));
}

function randomField(random: () => number, low: number, high: number, starShare: number): string {
  if (random() < starShare) return "*";
  if (random() < 0.2) return `*/${between(random, 1, high - low + 1)}`;
  return Array.from({ length: random() < 0.6 ? 1 : between(random, 2, 4) }, () =>
    randomItem(random, low, high),
  ).join(",");
}

function randomItem(random: () => number, low: number, high: number): string {
  const from = between(random, low, high);
  if (random() < 0.6) return String(from);
  const range = `${from}-${between(random, from, high)}`;
  return random() < 0.5 ? range : `${range}/${between(random, 1, high - low + 1)}`;
}

function randomDayOfMonth(random: () => number): string {
  const day = between(random, 1, 31);
  const plain = randomField(random, 1, 31, 0);
  return pick(random, [
    plain,
    plain,
    plain,
    "L",
    "LW",
    `${day}W`,
    `L,${day}`,
    `${day}W,L`,
    `1,*`,
    `28-31`,
    "?",
  ]);
}

function randomDayOfWeek(random: () => number): string {
  const day = between(random, 0, 7);
  const name = pick(random, ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]);
  const plain = randomField(random, 0, 7, 0).replaceAll(/\/8\b/g, "/7");
  return pick(random, [
    plain,
    plain,
    name,
    "MON-FRI",
    `${day}#${between(random, 1, 5)}`,
    `${name}#L`,
    "1#1,FRI#L",
    "*/2",
    "?",
  ]);
}
