/** Every device by site, as a tree, with its last value and how old it is. */

import { useState } from "preact/hooks";

import { useFetched } from "../api/fetching";
import type { Device } from "../api/types";
import { formatCount, formatCounted, formatValue } from "../format/number";
import { formatAge } from "../format/time";
import { ModbusCard } from "../modbus/ModbusCard";
import { Card } from "../parts/Card";
import { Link } from "../parts/Link";
import { LongList } from "../parts/LongList";
import { Failed, Nothing, Waiting } from "../parts/States";
import { PageHead } from "../shell/PageHead";
import { catalogueError, devices, sites, startCatalogue } from "../state/catalogue";
import { nowMs } from "../state/clock";
import { deviceAgeS, isSilent } from "./age";
import { KIND_WORDS, mainValue, treeRows, type TreeRow } from "./tree";

const ROW_PX = 56;
const REFRESH_MS = 4_000;
/** A long list is a large answer: it is asked for less often. */
const LONG_LIST = 300;
const LONG_REFRESH_MS = 20_000;
/** From this many on, a search helps. */
const SEARCH_FROM = 9;

export function DevicesPage() {
  const [wanted, setWanted] = useState("");
  // The list of the whole page is renewed seldom; who looks at it wants it now.
  const fetched = useFetched<{ devices: Device[] }>("/api/devices", refreshMs(devices.value));
  const all = fetched.answer?.devices ?? devices.value;
  if (all === null) {
    return (
      <>
        <PageHead title="Devices" />
        {catalogueError.value !== null ? (
          <Failed error={catalogueError.value} retry={() => void startCatalogue()} />
        ) : (
          <Waiting height={240} />
        )}
      </>
    );
  }
  const text = wanted.trim().toLowerCase();
  const found =
    text === ""
      ? all
      : all.filter((one) => `${one.name} ${one.id} ${one.kind}`.toLowerCase().includes(text));
  const sinceAskedS = (2 * refreshMs(all)) / 1000;
  const silent = all.filter((one) => isSilent(one, sinceAskedS)).length;
  return (
    <>
      <PageHead title="Devices">
        {all.length >= SEARCH_FROM && (
          <input
            type="search"
            class="search"
            placeholder="Search by name or kind"
            aria-label="Search devices"
            value={wanted}
            onInput={(event) => setWanted(event.currentTarget.value)}
          />
        )}
      </PageHead>
      {all.length === 0 && (
        <Nothing title="No device has reported yet.">
          <Link to="/home">Home says how to connect the first meter.</Link>
        </Nothing>
      )}
      {all.length > 0 && (
        <p class="summary">
          {formatCounted(all.length, "device")}
          {silent > 0 ? `, ${formatCount(silent)} silent` : ", all reporting"}
        </p>
      )}
      {siteIds(found).map((id) => (
        <Card key={id} title={sites.value?.find((one) => one.id === id)?.name ?? id} class="flush">
          <LongList
            rows={treeRows(found.filter((one) => one.site === id))}
            rowHeight={ROW_PX}
            keyOf={(row) => row.device.id}
            render={(row) => <DeviceRow row={row} sinceAskedS={sinceAskedS} />}
          />
        </Card>
      ))}
      <ModbusCard />
    </>
  );
}

function refreshMs(list: readonly Device[] | null): number {
  return (list?.length ?? 0) > LONG_LIST ? LONG_REFRESH_MS : REFRESH_MS;
}

function siteIds(list: readonly Device[]): string[] {
  return [...new Set(list.map((device) => device.site))];
}

function DeviceRow({ row, sinceAskedS }: { row: TreeRow; sinceAskedS: number }) {
  const { device, depth } = row;
  // Read so that the ages count on each second.
  nowMs.value;
  const main = mainValue(device);
  const silent = isSilent(device, sinceAskedS);
  return (
    <Link
      to={`/devices/${encodeURIComponent(device.id)}`}
      class={`device-row${silent ? " silent" : ""}`}
    >
      <span class="device-name" style={{ "--depth": depth }}>
        {depth > 0 && <i class="branch" aria-hidden="true" />}
        <span>
          <strong>{device.name}</strong>
          <small>
            {KIND_WORDS[device.kind] ?? device.kind}
            {device.name === device.id ? "" : ` · ${device.id}`}
          </small>
        </span>
      </span>
      <span class="device-value number">
        {main === null ? <span class="muted">–</span> : formatValue(main.value, main.unit)}
        <small>{main?.title ?? "no value yet"}</small>
      </span>
      <DeviceState device={device} silent={silent} />
    </Link>
  );
}

function DeviceState({ device, silent }: { device: Device; silent: boolean }) {
  const age = deviceAgeS(device);
  return (
    <span class={`device-age ${silent ? "stale" : "live"}`}>
      <i class="chip-dot" aria-hidden="true" />
      <span>
        {age === null ? "never heard" : silent ? "silent" : "live"}
        <small class="number">{age === null ? "" : formatAge(age)}</small>
      </span>
    </span>
  );
}
