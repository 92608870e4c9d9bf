/** Metered schedules: the verbs that change schedules, for a plugin or for people: counted, and refused where their quota ends. */
import type { Owner, Pause, Schedule } from "../../schedule/schedule.ts";
import type { Exceeded } from "../../access/quota.ts";
import type {
  DeclaredChange,
  MeteredSchedules as Counted,
  NewSchedule,
  ScheduleChange,
  ScheduleChanges,
  ScheduleRefusal,
  ScheduleStep,
} from "../schedules.ts";
import { applySteps, type Takers } from "./apply.ts";
import type { Declarations } from "./declarations.ts";
import type { GroupCommit } from "./group.ts";
import type { ScheduleQuota } from "./schedule-quota.ts";

export interface MeteredParts extends Takers {
  group: GroupCommit;
  declarations: Declarations;
  quota: ScheduleQuota;
}

export class MeteredSchedules implements ScheduleChanges {
  readonly #parts: MeteredParts;
  readonly #metered: Counted;

  constructor(parts: MeteredParts, metered: Counted) {
    this.#parts = parts;
    this.#metered = metered;
  }

  create(schedule: NewSchedule): Promise<Schedule | ScheduleRefusal> {
    const { verbs } = this.#parts;
    // What waiting does not help against comes first.
    return this.#write(
      () => verbs.nameTaken(schedule) ?? this.#full(1),
      () => verbs.create(schedule),
    );
  }

  update(id: string, change: ScheduleChange, revision?: number): Promise<Schedule | ScheduleRefusal> {
    return this.#write(none, () => this.#parts.verbs.update(id, change, revision));
  }

  pause(id: string, pause: Omit<Pause, "at">): Promise<Schedule | ScheduleRefusal> {
    return this.#write(none, () => this.#parts.verbs.pause(id, pause));
  }

  resume(id: string): Promise<Schedule | ScheduleRefusal> {
    return this.#write(none, () => this.#parts.verbs.resume(id));
  }

  delete(id: string, by: string): Promise<Schedule | ScheduleRefusal> {
    return this.#write(none, () => this.#parts.verbs.delete(id, by));
  }

  async apply(steps: readonly ScheduleStep[]): Promise<ScheduleRefusal | null> {
    const { group } = this.#parts;
    const added = steps.filter(({ kind }) => kind === "create").length;
    const refuse = () => this.#full(added) ?? this.#tooOften();
    // Asked before as well: a refusal inside undoes the writes of all others of its group, which are done again.
    const refused = await group.write(refuse);
    if (refused) return refused;
    return applySteps(group, this.#parts, steps, { refuse, note: () => this.#note(steps.length) });
  }

  declare(owner: Owner, declared: readonly NewSchedule[]): Promise<DeclaredChange[]> {
    const { group, quota, declarations } = this.#parts;
    return group.write(() => {
      quota.refuseDeclared(this.#metered, declared.length);
      return declarations.declare(owner, declared);
    });
  }

  #write(
    refuse: () => ScheduleRefusal | null,
    work: () => Schedule | ScheduleRefusal,
  ): Promise<Schedule | ScheduleRefusal> {
    return this.#parts.group.write(() => {
      const refused = refuse() ?? this.#tooOften();
      if (refused) return refused;
      const answer = work();
      if (!("refused" in answer)) this.#note(1);
      return answer;
    });
  }

  #note(count: number): void {
    this.#parts.quota.note(this.#metered, count);
    this.#parts.quota.emptyDeleted(this.#metered);
  }

  #full(added: number): ScheduleRefusal | null {
    return refusal(this.#parts.quota.full(this.#metered, added));
  }

  #tooOften(): ScheduleRefusal | null {
    return refusal(this.#parts.quota.tooOften(this.#metered));
  }
}

const none = () => null;

function refusal(exceeded: Exceeded | null): ScheduleRefusal | null {
  return exceeded && { refused: "quota", exceeded };
}
