/** Confine words: how the host asks this binary to confine itself and become a plugin's program (`confine-role.ts`). */

export const CONFINE_ROLE = "__confine";

/** What the kernel counts for each process, with the number that it has in sys/resource.h. */
export const RESOURCES = { fileSize: 1, data: 2, core: 4, processes: 6, files: 7 } as const;

/** The greatest that one process may have of each. Absent: as it is. */
export type Rlimits = Partial<Record<keyof typeof RESOURCES, number>>;

/** The words in front of a program's own that have it started with these limits. */
export function confineWords(rlimits: Rlimits): string[] {
  const pairs = Object.entries(rlimits).map(([name, value]) => `${name}=${value}`);
  return [CONFINE_ROLE, pairs.join(",")];
}

/** True for a name in the table. */
export function isResource(name: string): name is keyof typeof RESOURCES {
  return Object.hasOwn(RESOURCES, name);
}
