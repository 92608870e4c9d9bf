/**
 * A host that talks to a peer which sends random HTTP/2 frames, for tests:
 * `fuzz.ts SEED`. Prints how many frames it survived.
 */
import { createServer } from "node:net";
import { realEnv } from "../../base/env.ts";
import { seededRandom } from "../../base/fake-env.ts";
import { silentLog } from "../../base/log.ts";
import { Redactor } from "../../base/redactor.ts";
import { Connection } from "../connection.ts";
import { surviveStrays } from "../stray.ts";

const CONNECTIONS = 60;
const random = seededRandom(Number(process.argv[2]));
const whole = (below: number) => Math.floor(random() * below);
const oneOf = (list: readonly number[]) => list[whole(list.length)] ?? 0;
const SETTINGS = 4;

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

function randomFrame(): Buffer {
  const payload = Buffer.from(Array.from({ length: whole(40) }, () => whole(256)));
  const made = frame(
    whole(11),
    oneOf([0, 1, 4, 5, whole(256)]),
    oneOf([0, 1, 1, 1, 2, 3, whole(2 ** 31)]),
    payload,
  );
  if (random() < 0.05) made.writeUIntBE(whole(2 ** 24), 0, 3); // A length that is not true.
  return made;
}

let frames = 0;
const peer = createServer((socket) => {
  socket.on("error", () => {});
  socket.write(frame(SETTINGS, 0, 0, Buffer.alloc(0)));
  socket.once("data", () => {
    socket.write(frame(SETTINGS, 1, 0, Buffer.alloc(0)));
    for (let left = whole(30); left > 0; left--, frames++) socket.write(randomFrame());
    if (random() < 0.3) socket.end();
  });
});
await new Promise<void>((resolve) => peer.listen(0, "127.0.0.1", resolve));
const address = peer.address();
const port = typeof address === "object" && address ? address.port : 0;

using _ = surviveStrays(silentLog);
for (let i = 0; i < CONNECTIONS; i++) {
  const connection = new Connection(realEnv, `127.0.0.1:${port}`, new Redactor());
  connection.jobs({ message() {}, drained() {}, ended() {} });
  await connection.metadata(50);
  connection.close();
}
process.stdout.write(`survived ${frames}\n`);
process.exit(0);
