/** A module of QNTX's runtime with the one function added that lets it run jobs. */

interface JobRequest {
  job_id: string;
  handler_name: string;
  payload: Uint8Array;
  timeout_secs: number;
}

export default {
  name: "tides",
  handler_names: ["tides.next"],

  executeJob({ handler_name, payload, timeout_secs }: JobRequest) {
    const { harbour } = JSON.parse(new TextDecoder().decode(payload)) as { harbour: string };
    if (harbour === "") return { success: false, error: "There is no harbour without a name." };
    return {
      success: true,
      result: { harbour, handler_name, timeout_secs },
      progress_current: 2,
      progress_total: 2,
      cost_actual: 0.125,
      log_entries: [{ level: "warn", message: "the table is old" }],
    };
  },
};
