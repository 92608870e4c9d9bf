/**
 * Suggest: which known word somebody probably meant. Used wherever a name that
 * a person wrote is refused: options, commands, configuration keys.
 */

/** The known word nearest to what was written, or undefined when it is more than `slipsMax` slips away from all. */
export function nearest(
  written: string,
  known: Iterable<string>,
  slipsMax: number = Math.max(1, Math.floor(written.length / 3)), // One in three letters; more is another word.
): string | undefined {
  const word = written.toLowerCase();
  let best: string | undefined;
  let bestDistance = slipsMax + 1;
  for (const candidate of known) {
    const other = candidate.toLowerCase();
    const distance = word.length >= 3 && other.startsWith(word) ? 1 : editDistance(word, other, slipsMax);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** The same among names like "shell.beat": where no whole name is near, one whose last part is what was written, or near it. */
export function nearestOfParts(written: string, known: Iterable<string>): string | undefined {
  const names = [...known];
  const whole = nearest(written, names);
  if (whole !== undefined) return whole;
  const byPart = new Map(names.map((name) => [lastPart(name), name]));
  const part = nearest(lastPart(written), byPart.keys());
  return byPart.get(lastPart(written)) ?? (part && byPart.get(part));
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}

/** Letters to add, drop, change or swap (Damerau, neighbours only); anything above `limit` is `limit + 1`. */
function editDistance(whole: string, other: string, limit: number): number {
  const start = commonStart(whole, other); // Most names of a plugin begin alike, and that is not looked at again for each letter.
  const [a, b] = [whole.slice(start), other.slice(start)];
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  let rowMin = 0;
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    let min = i;
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(at(row, j) + 1, at(next, j - 1) + 1, at(row, j - 1) + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) cost = Math.min(cost, at(before, j - 2) + 1);
      next.push(cost);
      min = Math.min(min, cost);
    }
    if (Math.min(rowMin, min) > limit) return limit + 1; // A swap looks back two rows, and no further.
    [before, row, rowMin] = [row, next, min];
  }
  return Math.min(at(row, b.length), limit + 1);
}

function commonStart(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
