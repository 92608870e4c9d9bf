/** Lists of schedules in SQLite: each is read through the index that leaves the fewest to look through. */
import type { Database } from "bun:sqlite";
import type { Schedule } from "../../schedule/schedule.ts";
import type { Page, PageRequest } from "../page.ts";
import type { ScheduleFilter } from "../schedules.ts";
import { pageLimit, pageOf } from "./page.ts";
import { readSchedule, type ScheduleRow } from "./schedule-row.ts";
import { JOIN_RUNS, RUNS } from "./schedule-sql.ts";

type Values = Record<string, string | number | null>;
type ShownRow = ScheduleRow & { next_occurrence: number | null };

export class ScheduleLists {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** One page, oldest first. */
  page(filter: ScheduleFilter, page: PageRequest): Page<Schedule> {
    const limit = pageLimit(page);
    const rows = this.#db.query<ShownRow, Values>(SCHEDULE_LIST_SQL[narrowing(filter)]).all({
      after: page.cursor ?? "",
      limit: limit + 1,
      state: filter.state ?? null,
      deleted: filter.deleted ? 1 : 0,
      target: filter.handler ?? null,
      ownerKind: filter.owner?.kind ?? null,
      ownerName: filter.owner?.name ?? null,
      tenant: filter.tenant ?? null,
    });
    return pageOf(rows, limit, readSchedule, (row) => row.id);
  }
}

type By = "all" | "state" | "handler" | "owner";

/** Most are active: who asks for those asks for nearly all. */
function narrowing({ state, handler, owner }: ScheduleFilter): By {
  if (handler !== undefined) return "handler";
  if (owner !== undefined) return "owner";
  return state === undefined ? "all" : "state";
}

function list(from: string, narrow: string): string {
  return `
  SELECT s.*, ${RUNS}, (SELECT MIN(c.next_occurrence) FROM schedule_cursor c WHERE c.schedule_id = s.id) AS next_occurrence
    FROM ${from}
    ${JOIN_RUNS}
   WHERE ${narrow}
     AND s.id > $after
     AND ($state     IS NULL OR s.state      = $state)
     AND ($deleted = 1 OR $state IS NOT NULL OR s.state <> 'deleted')
     AND ($target    IS NULL OR (s.target_kind = 'handler' AND s.target = $target))
     AND ($ownerKind IS NULL OR s.owner_kind = $ownerKind)
     AND ($ownerName IS NULL OR s.owner_name = $ownerName)
     AND ($tenant    IS NULL OR s.tenant     = $tenant)
   ORDER BY s.id
   LIMIT $limit + 0`;
}

/** The list query for each way to narrow it. */
export const SCHEDULE_LIST_SQL: Record<By, string> = {
  all: list("schedule s", "TRUE"),
  state: list("schedule s INDEXED BY schedule_state", "s.state = $state"),
  handler: list("schedule s INDEXED BY schedule_target", "s.target = $target"),
  owner: list(
    "schedule s INDEXED BY schedule_owner",
    "s.owner_kind = $ownerKind AND s.owner_name = $ownerName",
  ),
};
