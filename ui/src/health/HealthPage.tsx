/** Health: can this be trusted. The chain, the counters, what was set aside, the disk. */

import { useFetched } from "../api/fetching";
import type { ClusterHealth, Health } from "../api/types";
import { formatBytes, formatCount, formatCounted } from "../format/number";
import { formatDuration } from "../format/time";
import { Card } from "../parts/Card";
import { Failed, Waiting } from "../parts/States";
import { PageHead } from "../shell/PageHead";
import { nowMs } from "../state/clock";
import { Chain } from "./Chain";
import { Damages } from "./Damages";
import { FileDamages } from "./FileDamages";
import { Outputs } from "./Outputs";
import { Processes, SharedStore } from "./Processes";
import { Quarantine } from "./Quarantine";

const REFRESH_MS = 5_000;

export function HealthPage() {
  const fetched = useFetched<Health | ClusterHealth>("/api/health", REFRESH_MS);
  const health = fetched.answer;
  return (
    <>
      <PageHead title="Health" />
      {fetched.error !== null && <Failed error={fetched.error} retry={fetched.reload} />}
      {health === null && fetched.error === null && <Waiting height={240} />}
      {health !== null && isOfCluster(health) && (
        <>
          <Processes processes={health.processes} />
          <SharedStore health={health} />
          <Quarantine byCode={health.quarantine.by_code} />
        </>
      )}
      {health !== null && !isOfCluster(health) && (
        <>
          <Chain health={health} />
          <div class="health-grid">
            <Counters health={health} />
            <Disk health={health} />
          </div>
          {health.outputs.length > 0 && <Outputs outputs={health.outputs} />}
          {health.log.damages.length > 0 && <Damages log={health.log} />}
          {health.store.damages.length + health.registry.damages.length > 0 && (
            <FileDamages health={health} />
          )}
          <Quarantine byCode={health.quarantine.by_code} />
        </>
      )}
    </>
  );
}

function isOfCluster(health: Health | ClusterHealth): health is ClusterHealth {
  return "processes" in health;
}

const FATES = [
  { key: "stored", words: "kept" },
  { key: "duplicate", words: "already known" },
  { key: "quarantined", words: "set aside with a reason" },
  { key: "refused", words: "refused at the door" },
] as const;

function Counters({ health }: { health: Health }) {
  const { counters } = health;
  const known = counters.stored + counters.duplicate + counters.quarantined + counters.refused;
  const open = counters.received - known;
  return (
    <Card title="Everything accounted for" aside="since the start" testId="counters">
      <dl class="counters">
        <div class="sum">
          <dt>received</dt>
          <dd data-testid="counter-received">{formatCount(counters.received)}</dd>
        </div>
        {FATES.map(({ key, words }) => (
          <div key={key}>
            <dt>
              {key} <small>{words}</small>
            </dt>
            <dd data-testid={`counter-${key}`}>{formatCount(counters[key])}</dd>
          </div>
        ))}
      </dl>
      <p class={open === 0 ? "verdict good" : "verdict"}>
        {open === 0
          ? "received = stored + duplicate + quarantined + refused"
          : open > 0
            ? `${formatCount(open)} on their way through the chain`
            : `The counters differ by ${formatCount(-open)}: please report this.`}
      </p>
    </Card>
  );
}

function Disk({ health }: { health: Health }) {
  const { disk, log, store } = health;
  const upS = (nowMs.value - Date.parse(health.started_at)) / 1000;
  const isShort = disk.state !== "ok";
  const rows: readonly [string, string][] = [
    ["kept in all", formatBytes(disk.data_bytes)],
    ["of it the log", `${formatBytes(log.bytes)} in ${formatCounted(log.segments, "segment")}`],
    ["of it the chunks", `${formatBytes(store.bytes)} in ${formatCounted(store.chunks, "chunk")}`],
    ["version", health.version],
    ["running for", formatDuration(upS)],
  ];
  return (
    <Card title="Disk and program" aside={isShort ? disk.state : undefined} testId="disk">
      <dl class="counters">
        <div class={isShort ? "sum alert-text" : "sum"}>
          <dt>free</dt>
          <dd data-testid="disk-free">
            {formatBytes(disk.free_bytes)} of {formatBytes(disk.total_bytes)}
          </dd>
        </div>
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {isShort && (
        <p class="verdict alert-text" role="alert">
          {disk.detail}
        </p>
      )}
      <p class="verdict">
        <a href="/docs">The HTTP interface</a>, <a href="/metrics">the program's own metrics</a>
      </p>
    </Card>
  );
}
