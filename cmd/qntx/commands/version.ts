/** `qntx version`: what this binary is, for people and for bug reports. */
import { COMMIT, VERSION } from "../../../internal/base/version.ts";
import { command } from "../command.ts";

export const version = command({
  examples: [{ line: "qntx version --json", why: "for a bug report" }],
  async run({ out }) {
    const about = {
      version: VERSION,
      commit: COMMIT,
      bun: Bun.version,
      platform: `${process.platform}-${process.arch}`,
    };
    const built = COMMIT === null ? "" : `, commit ${COMMIT}`;
    out.data(about, `qntx ${VERSION} (${about.platform}, Bun ${about.bun}${built})`);
  },
});
