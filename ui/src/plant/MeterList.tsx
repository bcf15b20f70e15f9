/** Every meter as a row of the tree: whether it answers, what it says, and how old that is. */

import type { PlantMeter } from "../api/types";
import { DaySpark } from "../devices/DaySpark";
import { KIND_WORDS } from "../devices/tree";
import { formatDecimal, formatShare, formatValue, UNKNOWN } from "../format/number";
import { formatAge } from "../format/time";
import { Card } from "../parts/Card";
import { Link } from "../parts/Link";
import { LongList } from "../parts/LongList";
import { nowMs } from "../state/clock";
import { type MeterRow, meterAgeS, meterRows, reasonOf, STATE_WORDS } from "./order";

const ROW_PX = 64;
const PHASES = ["l1", "l2", "l3"] as const;

interface Props {
  meters: readonly PlantMeter[];
  chosen: string | null;
  onChoose: (device: string) => void;
}

export function MeterList({ meters, chosen, onChoose }: Props) {
  return (
    <Card title="Meters" aside="a name opens the device, Phases its chart" class="flush" testId="meters">
      <div class="meter-head" aria-hidden="true">
        <span>meter</span>
        <span>state</span>
        <span class="number">power</span>
        <span>phases</span>
        <span class="number">V, PF</span>
        <span class="number">today</span>
        <span>24 h</span>
        <span />
      </div>
      <LongList
        rows={meterRows(meters)}
        rowHeight={ROW_PX}
        keyOf={(row) => row.meter.device}
        render={(row) => (
          <Row row={row} isChosen={row.meter.device === chosen} onChoose={onChoose} />
        )}
      />
    </Card>
  );
}

function Row({
  row,
  isChosen,
  onChoose,
}: {
  row: MeterRow;
  isChosen: boolean;
  onChoose: (device: string) => void;
}) {
  const { meter, depth } = row;
  // Read so that the ages count on each second.
  const age = meterAgeS(meter, nowMs.value);
  const isFresh = meter.state === "ok" || meter.state === "faulty";
  const reason = reasonOf(meter, nowMs.value);
  const spark = sparkOf(meter);
  const hasPhases = PHASES.some((phase) => meter.values[`active_power_${phase}_w`] !== undefined);
  return (
    <div
      class={`meter-row ${meter.state}${isChosen ? " open" : ""}`}
      data-testid={`meter-${meter.device}`}
      data-state={meter.state}
    >
      <span class="device-name" style={{ "--depth": depth }}>
        {depth > 0 && <i class="branch" aria-hidden="true" />}
        <Link to={`/devices/${encodeURIComponent(meter.device)}`} class="meter-link">
          <strong>{meter.name}</strong>
          <small title={meter.link?.endpoint}>
            {meter.link === null
              ? (KIND_WORDS[meter.kind] ?? meter.kind)
              : `${meter.link.type ?? meter.link.endpoint}, unit ${meter.link.unit}`}
          </small>
        </Link>
      </span>
      <span class={`meter-state ${meter.state}`} title={reason}>
        <i class="chip-dot" aria-hidden="true" />
        <span>
          {STATE_WORDS[meter.state]}
          <small>
            {meter.state !== "ok"
              ? reason || UNKNOWN
              : `${formatAge(age)} ago${meter.words ? `; ${meter.words}` : ""}`}
          </small>
        </span>
      </span>
      <span class="number meter-power">
        {formatValue(meter.power_w, "W")}
        <small>
          {meter.is_production && meter.power_w !== null
            ? "made"
            : meter.share_of_parent === null
              ? "\u00a0"
              : `${formatShare(meter.share_of_parent)} of parent`}
        </small>
      </span>
      <span class="meter-phases">
        {hasPhases && isFresh ? <PhaseBars meter={meter} /> : <span class="muted">{UNKNOWN}</span>}
      </span>
      <span class="number">
        {isFresh ? voltageOf(meter) : UNKNOWN}
        <small>{isFresh ? factorOf(meter) : "\u00a0"}</small>
      </span>
      <span class="number">
        {formatValue(meter.energy_today_wh, "Wh")}
      </span>
      <span class="meter-spark">
        {spark === null ? (
          <span class="muted">{UNKNOWN}</span>
        ) : (
          <DaySpark
            deviceId={meter.device}
            quantity={{ name: spark, title: `Power of ${meter.name}`, kind: "gauge" }}
          />
        )}
      </span>
      <button
        type="button"
        class="text-button"
        aria-pressed={isChosen}
        aria-label={`Phases of ${meter.name}`}
        onClick={() => onChoose(meter.device)}
      >
        Phases
      </button>
    </div>
  );
}

function PhaseBars({ meter }: { meter: PlantMeter }) {
  const values = PHASES.map((phase) => meter.values[`active_power_${phase}_w`] ?? null);
  const most = Math.max(1, ...values.map((value) => Math.abs(value ?? 0)));
  return (
    <>
      {PHASES.map((phase, i) => (
        <span class="phase-line" key={phase}>
          <small>{phase.toUpperCase()}</small>
          <span class="phase-bar">
            <i class={`fill-${phase}`} style={{ width: `${(Math.abs(values[i] ?? 0) / most) * 100}%` }} />
          </span>
          <small class="number">{formatValue(values[i], "W")}</small>
        </span>
      ))}
    </>
  );
}

/** The quantity of the small line; null where the meter tells no power. */
function sparkOf(meter: PlantMeter): string | null {
  const names = ["active_power_w", "production_power_w"];
  const ordered = meter.is_production ? names.reverse() : names;
  return ordered.find((name) => meter.quantities.includes(name)) ?? null;
}

function voltageOf(meter: PlantMeter): string {
  const phases = PHASES.map((phase) => meter.values[`voltage_${phase}_v`]).filter(
    (value): value is number => value != null,
  );
  const mean = meter.values["voltage_v"] ?? null;
  if (phases.length > 0)
    return formatValue(phases.reduce((sum, one) => sum + one, 0) / phases.length, "V");
  return formatValue(mean, "V");
}

function factorOf(meter: PlantMeter): string {
  const factor = meter.values["power_factor"];
  return factor == null ? "\u00a0" : `PF ${formatDecimal(factor, 2)}`;
}
