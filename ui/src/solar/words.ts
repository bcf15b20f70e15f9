/** The words of the page Solar. Pure. */

import type { Fleet, FleetDevice, PanelState } from "../api/fleet";
import { formatMoney } from "../format/money";
import { formatCount, formatShare, formatValue } from "../format/number";
import { countStates } from "./order";

export const STATE_WORDS: Record<PanelState, string> = {
  fault: "fault",
  low: "below expected",
  stale: "silent",
  unknown: "not judged",
  ok: "as expected",
  night: "night",
};

/** "4.1 kWh and 1.23 € a day"; without a price the energy alone. */
export function lossWords(kwh: number, money: number | null, currency: string | null): string {
  const energy = formatValue(kwh * 1000, "Wh");
  return money === null || currency === null
    ? `${energy} a day`
    : `${energy} and ${formatMoney(money, currency)} a day`;
}

export function nounOf(devices: readonly FleetDevice[]): string {
  const kinds = new Set(devices.map((one) => one.kind));
  const only = kinds.size === 1 ? [...kinds][0] : undefined;
  return only === "panel" || only === "inverter" ? only : "device";
}

const plural = (noun: string, count: number) => (count === 1 ? noun : `${noun}s`);

export interface Verdict {
  mood: "good" | "bad" | "quiet";
  strong: string;
  rest: string;
}

/** What loses money, in one line. */
export function verdictOf(fleet: Fleet): Verdict {
  const { devices, summary, currency } = fleet;
  const noun = nounOf(devices);
  const count = countStates(devices);
  const all = `${formatCount(summary.n)} ${plural(noun, summary.n)}`;
  const rests = fleet.is_day ? [] : ["It is night: the next judgement comes with the sun."];
  if (count.stale === summary.n)
    return {
      mood: "bad",
      strong: summary.n === 1 ? `The ${noun} is silent.` : `All ${all} are silent.`,
      rest: "What they make now is not known. Health shows how far their readings come.",
    };
  const silent =
    count.stale > 0 ? [`${formatCount(count.stale)} ${count.stale === 1 ? "is" : "are"} silent.`] : [];
  if (summary.n_losing > 0) {
    const verb = summary.n_losing === 1 ? "loses" : "lose";
    return {
      mood: "bad",
      strong: `${formatCount(summary.n_losing)} of ${all} ${verb} ${lossWords(summary.lost_kwh_per_day, summary.lost_money_per_day, currency)}.`,
      rest: [...worstWords(fleet), ...silent, ...rests].join(" "),
    };
  }
  const troubled = count.fault + count.low;
  if (troubled > 0 || silent.length > 0) {
    return {
      mood: "bad",
      strong:
        troubled > 0
          ? `${formatCount(troubled)} of ${all} ${troubled === 1 ? "makes" : "make"} less than expected.`
          : `${formatCount(count.stale)} of ${all} ${count.stale === 1 ? "is" : "are"} silent.`,
      rest: [
        "What it costs is not known yet.",
        ...(troubled > 0 ? silent : []),
        ...rests,
      ].join(" "),
    };
  }
  if (!fleet.is_day)
    return { mood: "quiet", strong: `Night, and all ${all} were well.`, rest: rests[0] ?? "" };
  if (count.unknown === summary.n)
    return {
      mood: "quiet",
      strong: `What the ${plural(noun, summary.n)} should make is not known.`,
      rest: `Give the site its latitude and longitude, and each ${noun} its rating_w.`,
    };
  const { power_w: power, expected_w: expected } = summary;
  return {
    mood: "good",
    strong: summary.n === 1 ? `The ${noun} makes what it should.` : `All ${all} make what they should.`,
    rest:
      power !== null && expected !== null && expected > 0
        ? `${formatShare(power / expected)} of what is expected at this moment.`
        : "",
  };
}

function worstWords(fleet: Fleet): string[] {
  const worst = [...fleet.devices].sort(
    (a, b) =>
      (b.lost_money_per_day ?? 0) - (a.lost_money_per_day ?? 0) ||
      b.lost_kwh_per_day - a.lost_kwh_per_day,
  )[0];
  if (worst === undefined || worst.lost_kwh_per_day <= 0 || fleet.summary.n_losing < 2) {
    return worst?.cause == null ? [] : [`${worst.name}: ${worst.cause}.`];
  }
  const cause = worst.cause === null ? "" : `: ${worst.cause}`;
  return [`${worst.name} costs most${cause}.`];
}

/** A device in one line, for a pointer that rests on it and for a screen reader. */
export function deviceWords(one: FleetDevice, currency: string | null): string {
  const parts = [STATE_WORDS[one.state]];
  if (one.power_w !== null) {
    const against = one.expected_w === null ? "" : ` of ${formatValue(one.expected_w, "W")} expected`;
    parts.push(`${formatValue(one.power_w, "W")}${against}`);
  }
  if (one.cause !== null) parts.push(one.cause);
  if (one.lost_kwh_per_day > 0)
    parts.push(`loses ${lossWords(one.lost_kwh_per_day, one.lost_money_per_day, currency)}`);
  return parts.join(", ");
}
