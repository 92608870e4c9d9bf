/** LockService for plugins: the locks of this host, wherever they are kept. */
import { lockRelease, lockRenew, lockTry } from "../operations/lock.ts";
import { call } from "../operations/run.ts";
import type { LockAnswer } from "../store/locks.ts";
import type { LockServiceServer, TryLockAnswerMessage } from "../wire/host.ts";
import { unary } from "./answer.ts";
import type { ServiceOptions } from "./door.ts";

export function lockService(options: ServiceOptions): LockServiceServer {
  return {
    tryLock: unary(options, lockTry, async (context, { key, ttlMs, holder }) =>
      answerMessage(await call(context, lockTry, { key, ttlMs, holder })),
    ),
    renew: unary(options, lockRenew, (context, { token, ttlMs }) =>
      call(context, lockRenew, { token, ttlMs }),
    ),
    release: unary(options, lockRelease, (context, { token }) => call(context, lockRelease, { token })),
  };
}

function answerMessage(answer: LockAnswer): TryLockAnswerMessage {
  if ("handle" in answer) return { handle: answer.handle, contention: undefined };
  const { holder, leftMs } = answer.contention;
  return { handle: undefined, contention: { holder: holder ?? "", leftMs: leftMs ?? 0 } };
}
