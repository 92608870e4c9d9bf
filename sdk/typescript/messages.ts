/** Messages: what travels on the job stream, for a plugin that hands jobs on to processes of its own. */
export { HostMessage, type JobFinish, JobStart, type PluginMessage } from "../../proto/gen/qntx/v1/plugin.ts";
