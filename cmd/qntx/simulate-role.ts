/**
 * Simulate role: the process in which `schedule.simulate` plays schedules through. It
 * reads one order, answers with one line, and dies with whoever wants the answer. It
 * only reads, and lets others go first.
 */
import { constants, setPriority } from "node:os";
import { Fault } from "../../internal/base/fault.ts";
import type { SimulationAnswer, SimulationOrder } from "../../internal/operations/simulate.ts";
import { simulate } from "../../internal/operations/simulation.ts";
import { dieWithParent } from "../../sdk/typescript/prctl.ts";
import { openForecasts } from "../../internal/store/open-forecasts.ts";

/** `__simulate`: does not return. */
export async function runSimulateRole(): Promise<never> {
  dieWithParent();
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  const order = await firstLine();
  const answer = answerTo(JSON.parse(order) as SimulationOrder); // Our own program wrote it.
  await Bun.write(Bun.stdout, `${JSON.stringify(answer)}\n`);
  process.exit(0);
}

function answerTo({ home, request }: SimulationOrder): SimulationAnswer {
  const source = openForecasts(home);
  try {
    return { simulation: simulate(source, request) };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const { code, message, hint, fields } = error;
    return { fault: { code, message, hint: hint ?? null, fields } };
  } finally {
    source.close();
  }
}

/** The order. When stdin ends without one, nobody is left to answer. */
async function firstLine(): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of Bun.stdin.stream()) {
    text += decoder.decode(chunk, { stream: true });
    const end = text.indexOf("\n");
    if (end >= 0) return text.slice(0, end);
  }
  process.exit(1);
}
