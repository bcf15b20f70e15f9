/** Each meter against the meters below it: what they see, what none of them sees. */

import type { Plant, PlantSum, Remainder } from "../api/types";
import { formatShare, formatValue } from "../format/number";
import { Card } from "../parts/Card";
import { Link } from "../parts/Link";
import { contradiction, isContradicted, meterRows, nameOf } from "./order";

/** More parts than this are drawn as one. */
const MOST_PARTS = 12;

export function SumsCard({ plant }: { plant: Plant }) {
  if (plant.sums.length === 0) return null;
  return (
    <Card
      title="Sub-meters against the meter above them"
      aside="power now; hatched is what no sub-meter sees"
      testId="sums"
    >
      <ul class="sums">
        {topFirst(plant).map((sum) => (
          <Sum key={sum.device} plant={plant} sum={sum} />
        ))}
      </ul>
    </Card>
  );
}

/** In the order of the tree: the main meter before those below it. */
function topFirst(plant: Plant): PlantSum[] {
  const rows = meterRows(plant.meters).map((row) => row.meter.device);
  return [...plant.sums].sort((a, b) => rows.indexOf(a.device) - rows.indexOf(b.device));
}

function Sum({ plant, sum }: { plant: Plant; sum: PlantSum }) {
  const name = nameOf(plant, sum.device);
  const isWrong = isContradicted(sum);
  return (
    <li data-testid={`sum-${sum.device}`} data-wrong={isWrong ? "yes" : "no"}>
      <p class="sum-head">
        <Link to={`/devices/${encodeURIComponent(sum.device)}`}>
          <strong>{name}</strong>
        </Link>
        <span>{formatValue(sum.power_w?.whole, "W")}</span>
        <small>{restWords(sum.power_w, "W", "")}</small>
        {sum.energy_today_wh !== null && (
          <small>{restWords(sum.energy_today_wh, "Wh", " today")}</small>
        )}
      </p>
      {sum.power_w === null ? (
        <p class="chart-note">
          Not told while {sum.missing.map((one) => nameOf(plant, one)).join(", ")}{" "}
          {sum.missing.length === 1 ? "does" : "do"} not answer.
        </p>
      ) : (
        <Parts plant={plant} sum={sum} power={sum.power_w} />
      )}
      {isWrong && (
        <p class="warn-text" data-testid="contradiction">
          {contradiction(sum, name)}. Is one of them wired backwards, scaled wrong, or not below it?
        </p>
      )}
    </li>
  );
}

function restWords(remainder: Remainder | null, unit: string, when: string): string {
  if (remainder === null) return "";
  const share = remainder.whole > 0 ? ` (${formatShare(remainder.rest / remainder.whole)})` : "";
  return `rest${when} ${formatValue(remainder.rest, unit)}${share}`;
}

function Parts({ plant, sum, power }: { plant: Plant; sum: PlantSum; power: Remainder }) {
  const parts = sum.parts
    .flatMap((id) => plant.meters.find((one) => one.device === id) ?? [])
    .filter((one) => !one.is_production && (one.power_w ?? 0) > 0)
    .sort((a, b) => (b.power_w ?? 0) - (a.power_w ?? 0));
  const whole = Math.max(
    power.whole,
    parts.reduce((total, one) => total + (one.power_w ?? 0), 0),
    1,
  );
  return (
    <span class="sum-bar">
      {parts.slice(0, MOST_PARTS).map((one) => (
        <span
          key={one.device}
          class="sum-part"
          style={{ width: `${((one.power_w ?? 0) / whole) * 100}%` }}
          title={`${one.name}: ${formatValue(one.power_w, "W")}`}
        >
          <small>{one.name}</small>
        </span>
      ))}
      {parts.length > MOST_PARTS && (
        <span
          class="sum-part"
          style={{
            width: `${(parts.slice(MOST_PARTS).reduce((total, one) => total + (one.power_w ?? 0), 0) / whole) * 100}%`,
          }}
        >
          <small>{parts.length - MOST_PARTS} more</small>
        </span>
      )}
      {power.rest > 0 && <span class="sum-rest" style={{ flex: 1 }} title="seen by no sub-meter" />}
    </span>
  );
}
