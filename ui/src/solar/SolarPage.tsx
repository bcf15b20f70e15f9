/** Solar: what loses money, and why. */

import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import type { Fleet } from "../api/fleet";
import type { Energy } from "../api/types";
import { Failed, Nothing, Waiting } from "../parts/States";
import { PageHead } from "../shell/PageHead";
import { devices, site, today } from "../state/catalogue";
import { useReloadOnChange } from "../state/changes";
import { addressOf, navigate, query } from "../state/route";
import { type Filter, isFilter } from "./order";
import { PanelList } from "./PanelList";
import { PanelMap } from "./PanelMap";
import { SolarTiles } from "./SolarTiles";
import { verdictOf } from "./words";

const REFRESH_MS = 10_000;
/** A long list is a large answer: it is asked for less often. */
const LONG_LIST = 300;
const LONG_REFRESH_MS = 30_000;
const ENERGY_REFRESH_MS = 60_000;

export function SolarPage() {
  const siteId = site.value?.id ?? null;
  const isLong = (devices.value?.length ?? 0) > LONG_LIST;
  const fetched = useFetched<Fleet>(
    siteId === null ? null : apiPath("/api/fleet", { site: siteId }),
    isLong ? LONG_REFRESH_MS : REFRESH_MS,
  );
  useReloadOnChange(fetched.reload);
  const fleet = fetched.answer;
  return (
    <>
      <PageHead title="Solar" />
      {fetched.error !== null && <Failed error={fetched.error} retry={fetched.reload} />}
      {fleet === null ? (
        fetched.error === null && <Waiting height={420} />
      ) : fleet.devices.length === 0 ? (
        <NoPanels />
      ) : (
        <Shown fleet={fleet} />
      )}
    </>
  );
}

function NoPanels() {
  return (
    <Nothing title="No panel and no inverter has reported yet.">
      Name them in <code>[[devices]]</code> with <code>kind = "panel"</code> or{" "}
      <code>"inverter"</code> and their <code>rating_w</code>, and let them publish: Home shows the
      broker's address and every topic it hears.
    </Nothing>
  );
}

function Shown({ fleet }: { fleet: Fleet }) {
  const energy = useFetched<Energy>(
    apiPath("/api/energy", { site: fleet.site, day: today.value }),
    ENERGY_REFRESH_MS,
  );
  const verdict = verdictOf(fleet);
  const wanted = query.value.get("show");
  const filter: Filter = isFilter(wanted) ? wanted : "all";
  const text = query.value.get("find") ?? "";
  const show = (fields: Record<string, string | null>) => {
    const kept = Object.fromEntries(query.value);
    navigate(addressOf("/solar", { ...kept, ...fields }), { replace: true });
  };
  return (
    <>
      <p class="verdict-line" data-testid="verdict" data-mood={verdict.mood}>
        <strong class={verdict.mood === "bad" ? "warn-text" : ""}>{verdict.strong}</strong>{" "}
        {verdict.rest}
      </p>
      <SolarTiles fleet={fleet} energy={energy.answer} />
      <PanelMap fleet={fleet} filter={filter} text={text.trim().toLowerCase()} />
      <PanelList
        fleet={fleet}
        filter={filter}
        text={text}
        onFilter={(one) => show({ show: one === "all" ? null : one })}
        onText={(words) => show({ find: words === "" ? null : words })}
      />
    </>
  );
}
