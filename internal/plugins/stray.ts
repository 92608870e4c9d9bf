/**
 * Stray: errors of HTTP/2 that belong to nobody.
 *
 * When a peer sends HEADERS on a stream that we never opened and then breaks the
 * protocol, Bun (1.4.4) makes a stream object for it, tells nobody, and destroys
 * it with an error: there is no place to put a listener, and the host would end
 * because a plugin sent nonsense. That connection is closed already, so nothing is
 * left to be done but to go on.
 */
import type { Log } from "../base/log.ts";

/** While it lasts, such an error is a line in the log. Any other uncaught error ends the process as ever. */
export function surviveStrays(log: Log): Disposable {
  const look = (error: unknown) => {
    if (isStray(error))
      return log.warn("a peer broke HTTP/2; its connection is closed", { code: error.code });
    process.off("uncaughtException", look);
    throw error;
  };
  process.on("uncaughtException", look);
  return { [Symbol.dispose]: () => void process.off("uncaughtException", look) };
}

function isStray(error: unknown): error is { code: string } {
  return (
    typeof error === "object" &&
    error !== null &&
    "code" in error &&
    typeof error.code === "string" &&
    error.code.startsWith("ERR_HTTP2_")
  );
}
