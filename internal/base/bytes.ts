/** Bytes: amounts as people write them, in powers of 1,024. */
const UNITS: readonly (readonly [string, number])[] = [
  ["GiB", 1_073_741_824],
  ["MiB", 1_048_576],
  ["KiB", 1_024],
];

/** Reads `512MiB` or `1.5 GiB`; undefined for what is no amount. */
export function parseBytes(text: string): number | undefined {
  const [, digits = "", word = ""] = /^(\d{1,9}(?:\.\d{1,3})?) ?([KMG]iB)$/.exec(text) ?? [];
  const [, unit] = UNITS.find(([name]) => name === word) ?? [];
  return unit === undefined ? undefined : Math.round(Number(digits) * unit);
}

/** Writes an amount in the largest unit that it fills: `512 MiB`. */
export function formatBytes(bytes: number): string {
  const [name, unit] = UNITS.find(([, each]) => bytes >= each) ?? ["bytes", 1];
  return `${Number((bytes / unit).toFixed(1))} ${name}`;
}
