/** Patience: waiting for something, but not for ever, where giving up is no error. */
import { type Env, type Millis, sleep } from "../base/env.ts";

/** Resolves as the promise does, or with undefined after `limitMs`. No timer stays behind. */
export async function orNothing<T>(env: Env, limitMs: Millis, promise: Promise<T>): Promise<T | undefined> {
  const settled = new AbortController();
  try {
    return await Promise.race([promise, sleep(env, limitMs, settled.signal).then(() => undefined)]);
  } finally {
    settled.abort();
  }
}
