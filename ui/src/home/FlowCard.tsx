/** What flows where now: the drawing, one sentence, and the single loads. */

import { ageS, isLive, liveState, now } from "../api/live";
import type { Now } from "../api/types";
import { formatValue } from "../format/number";
import { clockWithSeconds, formatAge } from "../format/time";
import { Card } from "../parts/Card";
import { Waiting } from "../parts/States";
import { devices, zone } from "../state/catalogue";
import { FlowDrawing } from "./FlowDrawing";
import { IDLE_BELOW_W, shareFlows } from "./flows";

const MOST_LOADS = 8;

/** Whether the site has solar at all: otherwise the drawing leaves it out. */
function hasSolar(newest: Now): boolean {
  if (newest.solar_w !== null) return true;
  if (newest.has_solar !== undefined) return newest.has_solar;
  return (devices.value ?? []).some(
    (device) => device.kind === "inverter" || device.kind === "panel",
  );
}

export function FlowCard() {
  const newest = now.value;
  if (newest === null || newest.at === null) {
    return (
      <Card title="Now" testId="flow">
        <Waiting height={290} />
      </Card>
    );
  }
  const at = clockWithSeconds(Date.parse(newest.at), zone.value);
  const isOld = !isLive.value;
  return (
    <Card title="Now" aside={isOld ? `as of ${at}` : at} testId="flow">
      <FlowDrawing
        powers={newest}
        hasSolar={hasSolar(newest)}
        hasBattery={newest.battery_w !== null || newest.battery_soc_pct !== null}
        isOld={isOld}
        words={sentenceOf(newest)}
      />
      <p class="flow-words" data-testid="flow-words">
        {isOld ? oldSentence() : sentenceOf(newest)}
      </p>
      <Loads newest={newest} />
    </Card>
  );
}

function oldSentence(): string {
  const age = formatAge(ageS.value);
  return liveState.value === "broken"
    ? `The connection is lost; these values are ${age} old.`
    : `The meter is silent; these values are ${age} old.`;
}

function sentenceOf(newest: Now): string {
  const flows = shareFlows({
    gridW: newest.grid_w,
    solarW: newest.solar_w,
    batteryW: newest.battery_w,
  });
  if (flows === null) return "The grid's power is unknown.";
  const toGrid = flows.solarToGrid + flows.batteryToGrid;
  if (toGrid >= IDLE_BELOW_W) {
    return `The home is covered; ${formatValue(toGrid, "W")} goes to the grid.`;
  }
  const fromGrid = newest.grid_w ?? 0;
  if (fromGrid < IDLE_BELOW_W) return "The home is covered; nothing is drawn from the grid.";
  if (flows.solarToHome >= IDLE_BELOW_W) {
    return `The sun covers ${formatValue(flows.solarToHome, "W")} of the home; ${formatValue(fromGrid, "W")} comes from the grid.`;
  }
  return `${formatValue(fromGrid, "W")} comes from the grid.`;
}

function Loads({ newest }: { newest: Now }) {
  const known = newest.loads.filter((load) => load.power_w !== null);
  if (known.length === 0) return null;
  const largest = known.sort((a, b) => (b.power_w ?? 0) - (a.power_w ?? 0)).slice(0, MOST_LOADS);
  const top = Math.max(...largest.map((load) => load.power_w ?? 0), 1);
  const rest = (newest.home_w ?? 0) - known.reduce((sum, load) => sum + (load.power_w ?? 0), 0);
  return (
    <ul class="loads" data-testid="loads">
      {largest.map((load) => (
        <li key={load.device}>
          <span class="load-name">{load.name}</span>
          <span class="load-bar">
            <i style={{ width: `${(100 * Math.max(0, load.power_w ?? 0)) / top}%` }} />
          </span>
          <span class="number">{formatValue(load.power_w, "W")}</span>
        </li>
      ))}
      {newest.home_w !== null && rest > IDLE_BELOW_W && (
        <li class="muted">
          <span class="load-name">all else</span>
          <span class="load-bar" />
          <span class="number">{formatValue(rest, "W")}</span>
        </li>
      )}
    </ul>
  );
}
