/** A power that goes twenty times; `npm run prove` does it two hundred times. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "../build.ts";
import { cutPower, withNormal } from "./power-cut.ts";

const LIMIT_MS = 180_000; // Generous: the machine may be busy with other tests.
const folder = mkdtempSync(join(tmpdir(), "qntx-power-test-"));
let program = "";

beforeAll(async () => {
  const given = process.env["QNTX_BIN"];
  program = given ? resolve(given) : await build({ outfile: join(folder, "qntx") });
}, LIMIT_MS);

afterAll(() => rmSync(folder, { recursive: true }));

test(
  "what is acknowledged outlives the power, whatever of the rest does",
  async () => {
    const report = await cutPower({ program, images: 20, reopened: 2, lives: 2, loadMs: 1_000, seed: 1 });
    expect(report).toMatchObject({ lost: [], corrupt: [], twice: [], broken: [] });
    expect(report.acknowledged).toBeGreaterThan(0);
  },
  LIMIT_MS,
);

test(
  "a program that does not wait for the disk is found out",
  async () => {
    const normal = withNormal(program, join(folder, "normal"));
    const report = await cutPower({
      program: normal,
      images: 8,
      reopened: 0,
      lives: 1,
      loadMs: 500,
      seed: 1,
    });
    expect(report.lost).not.toEqual([]);
    expect(report.corrupt).toEqual([]);
  },
  LIMIT_MS,
);
