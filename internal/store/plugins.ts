/** Plugins in the store: those that were installed, what became of them, and which are switched off. */
import type { Install, InstallChange, InstallEntry, Program } from "../plugin/install.ts";
import type { ServiceWord } from "../plugin/service.ts";
import type { Page, PageRequest } from "./page.ts";

export interface PluginStore {
  /** All of them, by name. */
  installs(): Promise<Install[]>;
  /** Null when the name is taken. */
  install(install: Omit<Install, "at">): Promise<Install | null>;
  /** Gives an install another program. Null when there is no such install. */
  change(
    name: string,
    to: { program: Program; change: Exclude<InstallChange, "installed" | "removed">; by: string },
  ): Promise<Install | null>;
  /** Takes it away; what was written down about it stays. Null when there is no such install. */
  remove(name: string, by: string): Promise<Install | null>;
  /** What became of an install, newest first; of one that was removed too. */
  history(name: string, page: PageRequest): Promise<Page<InstallEntry>>;
  /** What plugins provide for others, as they said last. */
  provided(): Promise<{ plugin: string; services: readonly ServiceWord[] }[]>;
  /** A plugin provides exactly these. */
  provide(plugin: string, services: readonly ServiceWord[]): Promise<void>;
  /** Names that do not start until they are switched on, installed or not. */
  disabled(): Promise<string[]>;
  /** Switches a plugin on or off for good. False when it was so already. */
  enable(name: string, enabled: boolean, by: string): Promise<boolean>;
}

export const INSTALLS_MAX = 1_000; // Each is a process.
