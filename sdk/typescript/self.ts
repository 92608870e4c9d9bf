/**
 * Self: how this program starts itself again in another role.
 *
 * Compiled, its own file is all there is. Under `bun run` it is Bun plus the
 * main file, told not to fetch packages and not to read a .env, so that both
 * behave the same.
 */

/** The argument vector that starts this program in a role: `selfCommand("__plugin", "--port", "0")`. */
export function selfCommand(role: string, ...args: string[]): string[] {
  const program = Bun.isStandaloneExecutable
    ? [process.execPath]
    : [process.execPath, "--no-install", "--no-env-file", "run", Bun.main];
  return [...program, role, ...args];
}
