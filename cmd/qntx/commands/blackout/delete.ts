/** `qntx blackout delete NAME` deletes a blackout that no schedule observes. */
import type { BlackoutView } from "../../../../internal/operations/blackout.ts";
import { openClient } from "../../client.ts";
import { command, yesArg } from "../../command.ts";
import { blackoutArg } from "./which.ts";

export const blackoutDelete = command({
  args: { name: blackoutArg, yes: yesArg },
  examples: [{ line: "qntx blackout delete holidays --yes", why: "without being asked" }],
  async run({ args: { name, yes }, world, globals, out }) {
    await out.confirm(`Delete the blackout ${name}?`, yes);
    await using client = await openClient(world, globals);
    const blackout = await client.call<BlackoutView>("blackout.delete", { name });
    out.data(blackout, `Blackout ${name} is deleted.`);
  },
});
