/** StorageService for plugins: the values that each keeps by key. */
import { formatInstant } from "../base/instant.ts";
import { storageDelete, storageGet, storageList, storageSet } from "../operations/storage.ts";
import { call } from "../operations/run.ts";
import type { StoredKey } from "../store/storage.ts";
import type { StorageServiceServer, StoredKeyMessage } from "../wire/host.ts";
import { unary } from "./answer.ts";
import type { ServiceOptions } from "./door.ts";

export function storageService(options: ServiceOptions): StorageServiceServer {
  return {
    get: unary(options, storageGet, async (context, { key }) => {
      const found = await call(context, storageGet, { key });
      return { about: message(found), value: Buffer.from(found.value) };
    }),
    set: unary(options, storageSet, async (context, wanted) =>
      message(await call(context, storageSet, wanted)),
    ),
    delete: unary(options, storageDelete, (context, { key }) => call(context, storageDelete, { key })),
    list: unary(options, storageList, async (context, { prefix, limit, cursor }) => {
      const wanted = { prefix, limit: limit || undefined, cursor: cursor || undefined };
      const page = await call(context, storageList, wanted);
      return { keys: page.keys.map(message), cursor: page.cursor ?? "" };
    }),
  };
}

function message({ key, version, size, expiresAt }: StoredKey): StoredKeyMessage {
  return { key, version, size, expiresAt: expiresAt === null ? "" : formatInstant(expiresAt) };
}
