// A module as it is written for QNTX's own TypeScript runtime; it calls the host by node:http2 and messages made by hand.
import { connect } from "node:http2";

type Told = Record<"ats_store_endpoint" | "queue_endpoint" | "schedule_endpoint" | "auth_token", string> & {
  config: Record<string, string>;
};

interface Request {
  method: string;
  path: string;
  body: Uint8Array;
}

interface Mux {
  handle(
    method: string,
    path: string,
    route: (request: Request, response: { status(code: number): { send(text: string): void } }) => void,
  ): void;
}

const name = "modular";
let told: Told;
let initialized = 0;

const field = (number: number, value: string | Uint8Array): Buffer => {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]); // Shorter than 128 bytes, all of them.
};

/** Asks the host, and gives field 3 of its answer as text; throws what it said in field 2 instead of `success`. */
async function ask(endpoint: string, path: string, ...fields: Buffer[]): Promise<string> {
  const session = connect(`http://${endpoint}`);
  const call = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
  });
  const message = Buffer.concat([field(1, told.auth_token), ...fields]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  call.end(Buffer.concat([head, message]));
  const chunks: Buffer[] = [];
  for await (const chunk of call) chunks.push(chunk);
  session.close();
  const answer = Buffer.concat(chunks).subarray(5);
  if (answer[0] !== 8 || answer[1] !== 1) throw new Error(answer.subarray(2).toString());
  return answer[2] === ((3 << 3) | 2) ? answer.subarray(4, 4 + (answer[3] ?? 0)).toString() : "";
}

export default {
  name,
  version: "0.0.7",
  handler_names: ["echo", "seen", "told", "attest", "enqueue", "schedule"].map((each) => `${name}.${each}`),

  init(request: Told) {
    told = request;
    initialized++;
  },

  registerHTTP(mux: Mux) {
    for (const method of ["GET", "POST"])
      mux.handle(method, "/any/page", (request, response) =>
        response.status(201).send(`${method} ${request.path} ${Buffer.from(request.body)}`),
      );
  },

  async executeJob({ handler_name, payload }: { handler_name: string; payload: Uint8Array }) {
    const text = Buffer.from(payload).toString();
    const said = (result: unknown) => ({ success: true, result, cost_actual: Number.NaN });
    switch (handler_name) {
      case `${name}.told`:
        return said({ initialized, place: told.config["place"] });
      case `${name}.attest`: {
        const command = Buffer.concat([field(1, text), field(2, "was seen by"), field(3, name)]);
        await ask(
          told.ats_store_endpoint,
          "/protocol.ATSStoreService/GenerateAndCreateAttestation",
          field(2, command),
        );
        return said("");
      }
      case `${name}.enqueue`: {
        const job = Buffer.concat([field(2, `${name}.echo`), field(3, payload)]);
        return said(await ask(told.queue_endpoint, "/protocol.QueueService/Enqueue", field(2, job)));
      }
      case `${name}.schedule`: {
        const every = Buffer.from([3 << 3, 0x90, 0x1c]); // 3600.
        const more = [field(2, `${name}.echo`), every, field(4, payload)];
        return said(await ask(told.schedule_endpoint, "/protocol.ScheduleService/CreateSchedule", ...more));
      }
      default:
        return said(JSON.parse(text));
    }
  },
};
