// Metrics of the parts: OpenMetrics text of all status ports, rates between two looks, and which stage holds up the others.

/** Samples of an OpenMetrics text: `name{a="b"}` -> number, added to `into`. */
export function read(text, into = new Map()) {
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const sample = /^([a-zA-Z_:][\w:]*)(\{.*\})? (\S+)/.exec(line);
    const value = sample ? Number(sample[3].replace("+Inf", "Infinity")) : NaN;
    if (Number.isNaN(value)) continue;
    const key = sample[1] + (sample[2] ?? "");
    into.set(key, (into.get(key) ?? 0) + value);
  }
  return into;
}

/** The sum of a metric over its labels, of those that have `label="value"`; `null`: there is no such metric. */
export function sum(samples, name, label, value) {
  let found = null;
  for (const [key, number] of samples) {
    if (key !== name && !key.startsWith(`${name}{`)) continue;
    if (label !== undefined && !key.includes(`${label}="${value}"`)) continue;
    found = (found ?? 0) + number;
  }
  return found;
}

/** Like `sum`, the largest. */
function most(samples, name) {
  const found = [...samples].filter(([key]) => key === name || key.startsWith(`${name}{`)).map(([, number]) => number);
  return found.length > 0 ? Math.max(...found) : null;
}

/** A backlog younger than this is what is on its way. */
const LATE_SECONDS = 5;

/**
 * The stages from file to index at `now`, with rates since `before` (the samples of an earlier look and the seconds
 * between them). Each: `{name, rate, unit, facts: [[text, value, format]], errors: [[text, count, perSecond]], lag}`.
 */
export function stages(now, before, seconds) {
  const rate = (name, label, value) => {
    const [a, b] = [sum(now, name, label, value), before ? sum(before, name, label, value) : null];
    // A counter that went back belongs to a process that began anew.
    return a === null || b === null || seconds <= 0 ? null : Math.max(0, a - b) / seconds;
  };
  const total = (name, label, value) => sum(now, name, label, value);
  const error = (text, name, label, value) => [text, total(name, label, value), rate(name, label, value)];
  const latency = (name) => {
    const [count, time] = [rate(`${name}_count`), rate(`${name}_sum`)];
    return count > 0 ? time / count : null;
  };
  const has = (prefix) => [...now.keys()].some((key) => key.startsWith(prefix));
  const all = [
    has("sluice_agent_") && {
      id: "agent", name: "Agent", says: "files to record batches",
      rate: rate("sluice_agent_lines_read_total"), unit: "lines/s", bytes: rate("sluice_agent_bytes_read_total"),
      lag: { bytes: total("sluice_agent_lag_bytes"), seconds: total("sluice_agent_lag_seconds") },
      facts: [["files followed", total("sluice_agent_files_followed"), "number"], ["acknowledged", rate("sluice_agent_records_acknowledged_total"), "rate"], ["in memory", total("sluice_agent_held_bytes"), "bytes"], ["spooled", total("sluice_agent_spool_bytes") || null, "bytes"]],
      errors: [error("ranges lost", "sluice_agent_losses_total"), error("lines cut", "sluice_agent_lines_cut_total"), error("files missed", "sluice_agent_files_missed_total"), error("batches repeated", "sluice_agent_batches_repeated_total")],
    },
    has("sluice_broker_") && {
      id: "broker", name: "Broker", says: "topics on disk",
      rate: rate("sluice_broker_batches_appended_total"), unit: "batches/s",
      facts: [["flushes", rate("sluice_broker_flushes_total"), "rate"], ["requests", rate("sluice_broker_requests_total"), "rate"], ["connections", total("sluice_broker_connections"), "number"]],
      errors: [error("batches refused", "sluice_broker_batches_refused_total"), error("requests refused", "sluice_broker_requests_refused_total"), error("wrong passwords", "sluice_broker_authentications_failed_total")],
    },
    has("sluice_worker_") && {
      id: "worker", name: "Pipelines", says: "records to documents",
      rate: rate("sluice_worker_records_total"), unit: "records/s",
      lag: { records: total("sluice_worker_lag_records"), seconds: most(now, "sluice_worker_lag_seconds"), left: total("sluice_worker_seconds_left") },
      facts: [["dead letters", total("sluice_worker_documents_total", "outcome", "rejected"), "number"], ["fetched", total("sluice_worker_memory_bytes", "kind", "fetched"), "bytes"], ["documents ready", total("sluice_worker_memory_bytes", "kind", "documents"), "bytes"], ["paused partitions", total("sluice_worker_paused_partitions") || null, "number"]],
      errors: [error("pipeline failures", "sluice_worker_pipeline_failures_total"), error("records lost", "sluice_worker_lost_records_total"), error("commits failed", "sluice_worker_commit_failures_total"), error("unreadable batches", "sluice_worker_unreadable_batches_total")],
    },
    has("sluice_sink_") && {
      id: "sink", name: "Sink", says: "documents to bulk requests",
      rate: rate("sluice_sink_bulk_items_total", "outcome", "done"), unit: "documents/s", bytes: rate("sluice_sink_sent_bytes_total"),
      facts: [["a bulk request takes", latency("sluice_sink_bulk_seconds"), "seconds"], ["requests in flight", total("sluice_sink_requests_in_flight") ?? total("sluice_sink_bulk_requests_in_flight"), "number"], ["were there already", total("sluice_sink_bulk_items_total", "outcome", "already_there"), "number"]],
      errors: [error("no answer", "sluice_sink_bulk_requests_total", "status", "none"), error("sent again", "sluice_sink_bulk_items_total", "outcome", "again"), error("held", "sluice_sink_bulk_items_total", "outcome", "held"), error("rejected", "sluice_sink_bulk_items_total", "outcome", "rejected"), error("rescued", "sluice_sink_documents_rescued_total")],
    },
  ];
  return all.filter(Boolean);
}

/** Which stage the others wait for: `{id, why}`; `null`: nothing waits. */
export function bottleneck(all) {
  const of = (id) => all.find((stage) => stage.id === id);
  const [agent, worker, sink] = [of("agent"), of("worker"), of("sink")];
  const fact = (stage, name) => stage?.facts.find(([text]) => text === name)?.[1] ?? 0;
  const per = (stage, name) => stage?.errors.find(([text]) => text === name)?.[2] ?? 0;
  if (worker?.lag.seconds > LATE_SECONDS && worker.lag.records > 0) {
    if (per(sink, "no answer") > 0) return { id: "sink", why: "the far end does not answer" };
    if (per(sink, "sent again") + per(sink, "held") > 0) return { id: "sink", why: "the far end does not take all that it is sent" };
    const [documents, fetched] = [fact(worker, "documents ready"), fact(worker, "fetched")];
    if (documents > fetched) return { id: sink ? "sink" : "worker", why: "documents are ready and wait to be taken" };
    return { id: "worker", why: "records come faster than they are parsed" };
  }
  if (agent?.lag.seconds > LATE_SECONDS && agent.lag.bytes > 0) {
    if (per(of("broker"), "batches refused") > 0) return { id: "broker", why: "it refuses record batches" };
    return { id: "agent", why: "lines are written faster than they are acknowledged" };
  }
  return null;
}
