/** The numbers of the page Solar: power against expected, energy today, what is lost, who is well. */

import type { Fleet } from "../api/fleet";
import type { Energy } from "../api/types";
import { scaleMoney } from "../format/money";
import { formatChange, formatCount, formatShare, formatValue, THIN_SPACE } from "../format/number";
import { formatAge } from "../format/time";
import { Amount } from "../parts/Amount";
import { Tile } from "../parts/Tile";
import { countStates, powerNow } from "./order";
import { nounOf, STATE_WORDS } from "./words";

export function SolarTiles({ fleet, energy }: { fleet: Fleet; energy: Energy | null }) {
  const { summary } = fleet;
  const count = countStates(fleet.devices);
  const isOld = count.stale === summary.n;
  const inOrder = summary.n - count.fault - count.low - count.stale;
  return (
    <div class="tiles">
      <Tile title="Power now" testId="tile-power" isOld={isOld} note={powerNote(fleet, isOld)}>
        <Amount value={powerNow(fleet.devices)} unit="W" testId="power-now" />
      </Tile>
      <Tile title="Energy today" testId="tile-energy" note={energyNote(energy)}>
        <Amount value={energy?.totals.production_wh} unit="Wh" testId="energy-today" />
      </Tile>
      <Tile title="Lost a day" testId="tile-lost" note={lostNote(fleet)}>
        <Lost fleet={fleet} />
      </Tile>
      <Tile
        title={`${nounOf(fleet.devices)}s in order`.replace(/^./, (one) => one.toUpperCase())}
        testId="tile-order"
        note={orderNote(count)}
      >
        <span class="amount" data-testid="in-order" data-value={inOrder}>
          {formatCount(inOrder)}
          <span class="unit"> of {formatCount(summary.n)}</span>
        </span>
      </Tile>
    </div>
  );
}

function powerNote({ summary, is_day, devices }: Fleet, isOld: boolean): string {
  if (isOld) {
    const youngest = Math.min(...devices.map((one) => one.age_s ?? Infinity));
    return Number.isFinite(youngest) ? `last reading ${formatAge(youngest)} ago` : "never heard";
  }
  if (!is_day) return "the sun is down";
  const power = powerNow(devices);
  const expected = summary.expected_w;
  if (expected === null || expected <= 0) return "what to expect is not known";
  const share = power === null ? "" : `${formatShare(power / expected)} of `;
  return `${share}${formatValue(expected, "W")} expected`;
}

function energyNote(energy: Energy | null): string {
  if (energy === null) return "\u00a0";
  const { production_wh: made } = energy.totals;
  const change = formatChange(made, energy.previous?.totals.production_wh ?? null);
  if (change === null) return "since midnight";
  return change === "same" ? "as much as same time yesterday" : `${change} vs same time yesterday`;
}

/** Money where there is a price, else energy. */
function Lost({ fleet }: { fleet: Fleet }) {
  const { lost_kwh_per_day: kwh, lost_money_per_day: money } = fleet.summary;
  if (money === null || fleet.currency === null)
    return <Amount value={kwh * 1000} unit="Wh" testId="lost" />;
  const { number, sign } = scaleMoney(money, fleet.currency);
  return (
    <span class="amount" data-testid="lost" data-value={money}>
      {number}
      <span class="unit">
        {THIN_SPACE}
        {sign}
      </span>
    </span>
  );
}

function lostNote({ summary, currency }: Fleet): string {
  if (summary.lost_kwh_per_day <= 0) return "nothing that is known";
  if (summary.lost_money_per_day === null || currency === null)
    return "a tariff would say what it costs";
  return `${formatValue(summary.lost_kwh_per_day * 1000, "Wh")} that were not made`;
}

function orderNote(count: ReturnType<typeof countStates>): string {
  const parts = (["fault", "low", "stale"] as const)
    .filter((state) => count[state] > 0)
    .map((state) => `${formatCount(count[state])} ${STATE_WORDS[state]}`);
  return parts.length > 0 ? parts.join(", ") : "none needs a look";
}
