/**
 * References: `env:NAME` and `file:PATH` stand for what must not be written into a
 * configuration file. They are fetched at the moment they are used, and what they lead
 * to is kept nowhere.
 */
import { readFileSync, statSync } from "node:fs";
import { messageOf } from "../base/fault.ts";
import { type Kind, pathOf, type Place, quoted } from "./kinds.ts";
import { configFault } from "./problems.ts";

const SECRET_BYTES_MAX = 65_536; // A key or a certificate chain; anything larger is a file for the plugin to read itself.
const ENV_REFERENCE = /^env:([A-Za-z_][A-Za-z0-9_]*)$/;
const FILE_REFERENCE = /^file:(?!\/\/)(.+)$/; // Not file://…, which is an URL that a plugin may want.

/** True for a value that stands for a secret kept elsewhere. */
export function isReference(value: string): boolean {
  return ENV_REFERENCE.test(value) || FILE_REFERENCE.test(value);
}

/** Where a secret is kept; empty for none. */
export const reference: Kind<string> = {
  expects: '"env:NAME" or "file:PATH": the secret itself is kept there',
  read: (value) => (typeof value === "string" && (value === "" || isReference(value)) ? value : undefined),
  parse: (text) => (isReference(text) ? text : undefined),
  show: quoted,
  secret: true,
};

/** The address of a web service, or where that is kept, because it may be enough to use it; empty for none. */
export const webAddress: Kind<string> = {
  expects: 'an address like "https://example.org/hook", or "env:NAME" or "file:PATH" where it is kept',
  read: (value) => (value === "" || isAddressOrReference(value) ? value : undefined),
  parse: (text) => (isAddressOrReference(text) ? text : undefined),
  show: quoted,
  secret: true,
};

function isAddressOrReference(value: unknown): value is string {
  return typeof value === "string" && (isReference(value) || isWebAddress(value));
}

/** True for an http or https address without a name and password: those would end up in messages. */
export function isWebAddress(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.username === "" && url.password === "";
}

/** What somebody wrote, by its name and place, for messages. */
interface About {
  name: string;
  where: string;
}

/** Where what is referred to is looked for. */
export interface Source {
  vars: Readonly<Record<string, string | undefined>>;
  place: Place;
  /** Told what every reference leads to: whoever keeps secrets out of texts must know them. */
  onSecret?(name: string, value: string): void;
}

/** The value itself, or what it refers to. Throws a Fault that names the key of one that is not there. */
export function fetched(value: string, about: About, { vars, place, onSecret }: Source): string {
  const variable = ENV_REFERENCE.exec(value)?.[1];
  const path = FILE_REFERENCE.exec(value)?.[1];
  if (variable === undefined && path === undefined) return value;
  const secret =
    path === undefined ? variableValue(about, variable ?? "", vars) : fileValue(about, pathOf(path, place));
  onSecret?.(about.name, secret);
  return secret;
}

function variableValue({ name, where }: About, variable: string, vars: Source["vars"]): string {
  const value = vars[variable];
  if (value !== undefined) return value;
  const message = `${name} refers to the variable ${variable}, which is not set.`;
  throw configFault([{ where, message, hint: `Set ${variable} where the host is started.` }]);
}

function fileValue({ name, where }: About, path: string): string {
  const wrong = (what: string, hint: string) =>
    configFault([{ where, message: `${name} refers to ${path}, ${what}.`, hint }]);
  const text = readSecret(path, wrong);
  return text.replace(/\r?\n$/, ""); // Editors end a file with a line break that is no part of the secret.
}

function readSecret(path: string, wrong: (what: string, hint: string) => Error): string {
  try {
    const about = statSync(path);
    if (about.isFile() && about.size <= SECRET_BYTES_MAX) return readFileSync(path, "utf8");
  } catch (error) {
    throw wrong(
      `which cannot be read (${messageOf(error)})`,
      "Create it, readable for the host's user alone.",
    );
  }
  throw wrong(`which is no file of at most ${SECRET_BYTES_MAX} bytes`, "Give the plugin the path itself.");
}
