/** Energy by hour, day or month: used from own solar and grid above the line, given below it. */

import { useState } from "preact/hooks";

import type { Fetched } from "../api/fetching";
import type { Energy } from "../api/types";
import { Bars, type LabelledBar } from "../charts/Bars";
import { formatShare, formatValue } from "../format/number";
import { BAR_WORD, NARROWER, titleOf } from "../format/period";
import type { Table } from "../format/table";
import { ChartCard } from "../parts/ChartCard";
import { Legend } from "../parts/Legend";
import { Failed, Waiting } from "../parts/States";
import { site, zone } from "../state/catalogue";
import { serverNow } from "../state/clock";
import { period, showPeriod, showZoom } from "../state/view";
import { dateOfSlot, type Slot, slotsOf } from "./slots";

const HEIGHT = 254;
/** A bar with less of its time covered is drawn lighter and named. */
const COMPLETE_COVERAGE = 0.99;
const MOST_NAMED = 3;

export function BucketsCard({ energy }: { energy: Fetched<Energy> }) {
  const shownPeriod = period.value;
  const [pointed, setPointed] = useState<number | null>(null);
  const answer = energy.answer;
  const slots = slotsOf(shownPeriod, answer?.buckets ?? [], zone.value);
  const word = BAR_WORD[shownPeriod.range];
  const under = pointed === null ? null : (slots[pointed] ?? null);
  const amounts = under === null ? answer?.totals : under.bucket;
  const value = (key: "self_consumed_wh" | "import_wh" | "export_wh") =>
    formatValue(amounts?.[key], "Wh");
  const hasSolar = answer !== null && answer.totals.production_wh !== null;

  const open = (index: number) => {
    const slot = slots[index];
    if (slot === undefined || slot.start > serverNow()) return;
    const narrower = NARROWER[shownPeriod.range];
    if (narrower === null) showZoom({ start: slot.start, end: slot.end });
    else showPeriod(narrower, dateOfSlot(slot, zone.value));
  };

  return (
    <ChartCard
      title={`Energy by ${word}`}
      aside={
        under === null
          ? hasSolar
            ? "above the line used, below it given"
            : undefined
          : `${under.name}: ${formatValue(under.bucket?.consumption_wh, "Wh")} used`
      }
      testId="energy-chart"
      fileName={`wattscope-${site.value?.id ?? "site"}-energy-${shownPeriod.range}-${shownPeriod.from}`}
      table={answer === null ? null : () => tableOf(slots, word)}
      legend={
        <Legend
          entries={[
            ...(hasSolar
              ? [
                  {
                    key: "own",
                    label: "own solar",
                    role: "solar" as const,
                    value: value("self_consumed_wh"),
                  },
                ]
              : []),
            { key: "import", label: "from grid", role: "grid-in", value: value("import_wh") },
            ...(answer?.totals.export_wh != null
              ? [
                  {
                    key: "export",
                    label: "to grid",
                    role: "grid-out" as const,
                    value: value("export_wh"),
                  },
                ]
              : []),
          ]}
        />
      }
    >
      {energy.error !== null && answer === null ? (
        <Failed error={energy.error} retry={energy.reload} />
      ) : answer === null ? (
        <Waiting height={HEIGHT} />
      ) : (
        <>
          <Bars
            bars={slots.map(barOf)}
            upRoles={["solar", "grid-in"]}
            downRoles={["grid-out"]}
            height={HEIGHT}
            peak={peakOf(answer, slots)}
            label={`Energy by ${word}, ${titleOf(shownPeriod)}`}
            onPoint={setPointed}
            onOpen={open}
          />
          <p class="chart-note" data-testid="incomplete-note">
            {incompleteWords(slots)}
          </p>
        </>
      )}
    </ChartCard>
  );
}

function isIncomplete(slot: Slot): boolean {
  const begun = slot.start < serverNow();
  return begun && slot.bucket !== null && slot.bucket.coverage < COMPLETE_COVERAGE;
}

function isRunning(slot: Slot): boolean {
  const now = serverNow();
  return slot.start <= now && now < slot.end;
}

function barOf(slot: Slot): LabelledBar {
  const bucket = slot.bucket;
  const known = (wh: number | null | undefined) => Math.max(0, wh ?? 0);
  const words =
    bucket === null
      ? `${slot.name}: no data`
      : `${slot.name}: used ${formatValue(bucket.consumption_wh, "Wh")}, own solar ${formatValue(bucket.self_consumed_wh, "Wh")}, from grid ${formatValue(bucket.import_wh, "Wh")}, to grid ${formatValue(bucket.export_wh, "Wh")}`;
  return {
    key: String(slot.start),
    up: [known(bucket?.self_consumed_wh), known(bucket?.import_wh)],
    down: [known(bucket?.export_wh)],
    tick: slot.tick,
    words,
    isIncomplete: isIncomplete(slot) || (bucket !== null && isRunning(slot)),
  };
}

function peakOf(answer: Energy, slots: readonly Slot[]): { index: number; text: string } | null {
  const stated = answer.peak;
  let index =
    stated === null ? -1 : slots.findIndex((slot) => slot.start === Date.parse(stated.start));
  if (index < 0) {
    const used = slots.map((slot) => slot.bucket?.consumption_wh ?? 0);
    const most = Math.max(...used, 0);
    index = most > 0 ? used.indexOf(most) : -1;
  }
  const peak = slots[index]?.bucket?.consumption_wh;
  return peak == null || peak <= 0 ? null : { index, text: `peak ${formatValue(peak, "Wh")}` };
}

function incompleteWords(slots: readonly Slot[]): string {
  const begun = slots.filter((slot) => slot.start < serverNow() && !isRunning(slot));
  const partly = begun.filter((slot) => isIncomplete(slot) && hasAny(slot));
  const empty = begun.filter((slot) => !hasAny(slot));
  const running = slots.find((slot) => isRunning(slot) && slot.bucket !== null);
  const named = partly
    .slice(0, MOST_NAMED)
    .map((slot) => `${slot.name} has ${formatShare(slot.bucket?.coverage)} of its data`);
  if (partly.length > MOST_NAMED) named.push(`${partly.length - MOST_NAMED} more are incomplete`);
  if (running !== undefined) named.push(`${running.name} is still running`);
  const hatched = named.length > 0 ? `Hatched: ${named.join("; ")}. ` : "";
  const names =
    empty.length === 1 ? empty[0]?.name : `${empty.length} ${BAR_WORD[period.value.range]}s`;
  const without = empty.length > 0 ? `No data: ${names}.` : "";
  return hatched + without || "\u00a0";
}

/** Whether anything at all was measured in a slot. */
function hasAny(slot: Slot): boolean {
  return slot.bucket !== null && slot.bucket.coverage > 0;
}

function tableOf(slots: readonly Slot[], word: string): Table {
  const kilo = (value: number | null | undefined) => (value == null ? null : value / 1000);
  return {
    timeTitle: word,
    columns: [
      ...["consumed", "own solar", "from grid", "to grid", "produced"].map((title) => ({
        title: `${title} [kWh]`,
        decimals: 3,
      })),
      { title: "coverage [%]", decimals: 0 },
    ],
    rows: slots
      .filter((slot) => slot.bucket !== null)
      .map(({ start, name, bucket }) => ({
        at: start,
        label: name,
        cells: [
          kilo(bucket?.consumption_wh),
          kilo(bucket?.self_consumed_wh),
          kilo(bucket?.import_wh),
          kilo(bucket?.export_wh),
          kilo(bucket?.production_wh),
          (bucket?.coverage ?? 0) * 100,
        ],
      })),
  };
}
