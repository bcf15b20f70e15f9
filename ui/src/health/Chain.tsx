/** The chain as a drawing: source, log, store, page; the first broken link is named. */

import type { ComponentChildren } from "preact";

import { liveState } from "../api/live";
import type { Health } from "../api/types";
import { formatBytes, formatCount, formatCounted, formatThree } from "../format/number";
import { formatAge } from "../format/time";
import { Card } from "../parts/Card";
import { nowMs } from "../state/clock";
import {
  durabilityWords,
  firstBroken,
  type LinkState,
  logState,
  sourcesState,
  sourceState,
  storeState,
} from "./links";

const STATE_WORDS: Record<LinkState, string> = { good: "good", wait: "waiting", broken: "broken" };

export function Chain({ health }: { health: Health }) {
  const page: LinkState = liveState.value === "broken" ? "broken" : "good";
  const states = [sourcesState(health), logState(health), storeState(health), page];
  const broken = firstBroken(states);
  const names = ["a source", "the log", "the store", "this page"];
  return (
    <Card
      title="The way of a reading"
      aside={broken === null ? "no link is broken" : `first broken link: ${names[broken]}`}
      testId="chain"
    >
      <div class="chain">
        <ChainNode
          title={health.sources.length === 1 ? "Source" : "Sources"}
          state={states[0] ?? "good"}
        >
          {health.sources.length === 0 && <li>none is set up</li>}
          {health.sources.map((source) => (
            <li key={source.name}>
              <SourceLine source={source} />
            </li>
          ))}
        </ChainNode>
        <Arrow words={rateWords(health)} isBroken={broken === 0} />
        <ChainNode title="Log" state={states[1] ?? "good"}>
          <li>
            offset <b>{formatCount(health.log.end_offset)}</b>
          </li>
          <li>
            {formatBytes(health.log.bytes)} in {formatCounted(health.log.segments, "segment")}
          </li>
          <li>{durabilityWords(health.log)}</li>
          {health.log.failed_syncs > 0 && (
            <li class="state-wait">{formatCounted(health.log.failed_syncs, "failed sync")}</li>
          )}
        </ChainNode>
        <Arrow
          words={`${formatCount(health.store.lag_records)} behind`}
          isBroken={broken === 1 || broken === 2}
        />
        <ChainNode title="Store" state={states[2] ?? "good"}>
          <li>
            up to offset <b>{formatCount(health.store.covered_offset)}</b> in chunks
          </li>
          <li>
            {formatCounted(health.store.tail_rows, "row")} in the tail,{" "}
            {formatCounted(health.store.chunks, "chunk")}
          </li>
        </ChainNode>
        <Arrow words="" isBroken={broken === 3} />
        <ChainNode title="This page" state={page}>
          <li>
            {liveState.value === "broken" ? "the event stream is lost" : "the event stream stands"}
          </li>
        </ChainNode>
      </div>
    </Card>
  );
}

function ChainNode({
  title,
  state,
  children,
}: {
  title: string;
  state: LinkState;
  children: ComponentChildren;
}) {
  return (
    <section class={`chain-node ${state}`}>
      <h3>
        {title}
        <span class="chain-state">{STATE_WORDS[state]}</span>
      </h3>
      <ul>{children}</ul>
    </section>
  );
}

function Arrow({ words, isBroken }: { words: string; isBroken: boolean }) {
  return (
    <div class={`chain-arrow${isBroken ? " broken" : ""}`}>
      <small class="number">{words || "\u00a0"}</small>
      <i aria-hidden="true" />
    </div>
  );
}

function SourceLine({ source }: { source: Health["sources"][number] }) {
  const last = source.last_received_at;
  const age = last === null ? null : (nowMs.value - Date.parse(last)) / 1000;
  return (
    <>
      <b>{source.name}</b>
      {source.kind === source.name ? " " : ` ${source.kind}, `}
      <span class={`state-${sourceState(source)}`}>{source.state}</span>
      {source.detail && <small class="mono block">{source.detail}</small>}
      <small class="number block">
        {age === null ? "nothing received yet" : `last message ${formatAge(age)} ago`}
      </small>
    </>
  );
}

function rateWords(health: Health): string {
  const rates = health.sources.map((source) => source.rate_per_s).filter((rate) => rate !== null);
  if (rates.length === 0) return "";
  return `${formatThree(rates.reduce((sum, rate) => sum + rate, 0))} messages/s`;
}
