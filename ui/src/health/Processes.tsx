/** The processes of a cluster, and the store that they share. */

import type { ClusterHealth, ClusterProcess } from "../api/types";
import { formatBytes, formatCount, formatCounted } from "../format/number";
import { formatAge, formatDuration } from "../format/time";
import { Card } from "../parts/Card";
import { Nothing } from "../parts/States";
import { nowMs } from "../state/clock";
import { processState } from "./processes";

export function Processes({ processes }: { processes: readonly ClusterProcess[] }) {
  const nBroken = processes.filter((one) => processState(one).state === "broken").length;
  return (
    <Card
      title="Processes"
      aside={nBroken === 0 ? formatCounted(processes.length, "process", "processes") : `${nBroken} silent`}
      testId="processes"
    >
      {processes.length === 0 ? (
        <Nothing title="No process has told of itself yet.">Each does every few seconds.</Nothing>
      ) : (
        <div class="table-frame" tabIndex={0} role="region" aria-label="Processes, table">
          <table class="list">
            <thead>
              <tr>
                <th scope="col">process</th>
                <th scope="col">state</th>
                <th scope="col" class="number">values since its start</th>
                <th scope="col" class="number">behind</th>
                <th scope="col" class="number">running for</th>
              </tr>
            </thead>
            <tbody>
              {processes.map((one) => (
                <ProcessRow key={`${one.role}/${one.name}`} process={one} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  );
}

function ProcessRow({ process }: { process: ClusterProcess }) {
  const { state, words, detail } = processState(process);
  const upS = (nowMs.value - Date.parse(process.started_at)) / 1000;
  return (
    <tr data-testid={`process-${process.role}-${process.name}`}>
      <td>
        <b>{process.role}</b> <span class="muted">{process.name}</span>
      </td>
      <td>
        <span class={`state-${state}`}>{words}</span>
        {detail !== "" && <small class="block">{detail}</small>}
        <small class="block muted">said so {formatAge(process.age_s)} ago</small>
      </td>
      <td class="number">{valuesOf(process)}</td>
      <td class="number nowrap">{lagOf(process)}</td>
      <td class="number nowrap">{formatDuration(upS)}</td>
    </tr>
  );
}

function valuesOf({ role, counters }: ClusterProcess): string {
  if (role === "store") return `${formatCount(counters.stored)} stored`;
  if (role === "ingest" || role === "poll") return `${formatCount(counters.received)} taken in`;
  return "";
}

function lagOf({ role, lag }: ClusterProcess): string {
  if (role !== "store") return "";
  const total = Object.values(lag).reduce((sum, one) => sum + one, 0);
  return formatCounted(total, "message");
}

export function SharedStore({ health }: { health: ClusterHealth }) {
  const { store, registry } = health;
  return (
    <Card title="Store" testId="shared-store">
      <dl class="counters">
        <div class="sum">
          <dt>kept in all</dt>
          <dd>{formatBytes(store.bytes)}</dd>
        </div>
        <div>
          <dt>server</dt>
          <dd>{store.server}</dd>
        </div>
      </dl>
      {registry.damages.map((words) => (
        <p class="verdict alert-text" key={words}>
          {words}
        </p>
      ))}
      <p class="verdict">
        <a href="/docs">The HTTP interface</a>, <a href="/metrics">metrics of this process</a>
      </p>
    </Card>
  );
}
