/** One device: every quantity with value, age and the last 24 hours; a click opens its chart. */

import { useState } from "preact/hooks";

import { useFetched } from "../api/fetching";
import type { Device, LatestValue } from "../api/types";
import { formatValue } from "../format/number";
import { DeviceIncidents } from "../incidents/DeviceIncidents";
import { EvidenceChart } from "../incidents/EvidenceChart";
import { powerOf } from "../incidents/powers";
import { findingsWithin, shadesOf } from "../incidents/shades";
import { useDeviceIncidents } from "../incidents/useDeviceIncidents";
import { formatAge } from "../format/time";
import { Card } from "../parts/Card";
import { Link } from "../parts/Link";
import { Failed, Nothing, Waiting } from "../parts/States";
import { PageHead } from "../shell/PageHead";
import { RangeControl } from "../shell/RangeControl";
import { nowMs, serverNow } from "../state/clock";
import { shown, showsNow, showZoom } from "../state/view";
import { DEVICE_REFRESH_S, deviceAgeS, isSilent } from "./age";
import { shownWords } from "./chartWords";
import { DaySpark } from "./DaySpark";
import { QuantityChart } from "./QuantityChart";
import { KIND_WORDS } from "./tree";

/** Kinds of which it is known what they should make. */
const JUDGED_KINDS = ["panel", "inverter"];

export function DevicePage({ id }: { id: string }) {
  const fetched = useFetched<Device>(`/api/devices/${encodeURIComponent(id)}`, DEVICE_REFRESH_S * 1000);
  const device = fetched.answer;
  // A device that vanishes or fails later keeps its last answer; the ages tell.
  if (device === null) {
    return (
      <>
        <PageHead title="Device" />
        {fetched.error !== null ? (
          <Failed error={fetched.error} retry={fetched.reload} />
        ) : (
          <Waiting height={240} />
        )}
      </>
    );
  }
  return <Shown device={device} />;
}

function Shown({ device }: { device: Device }) {
  const [chosen, setChosen] = useState<string | null>(null);
  const opened = device.quantities.find((one) => one.name === chosen) ?? null;
  const silent = isSilent(device, 2 * DEVICE_REFRESH_S);
  const incidents = useDeviceIncidents(device.id);
  const power = JUDGED_KINDS.includes(device.kind) ? powerOf(device) : undefined;
  nowMs.value;
  const age = deviceAgeS(device);
  return (
    <>
      <PageHead title={device.name}>
        <RangeControl />
      </PageHead>
      <p class="summary">
        <Link to="/devices">Devices</Link>
        {" · "}
        {KIND_WORDS[device.kind] ?? device.kind}
        {device.name !== device.id && ` · ${device.id}`}
        {device.rating_w !== null && ` · rated ${formatValue(device.rating_w, "W")}`}
        {" · "}
        <span class={silent ? "warn-text" : ""}>
          {age === null
            ? "never heard"
            : `${silent ? "silent, last reading" : "last reading"} ${formatAge(age)} ago`}
        </span>
      </p>
      {opened !== null && (
        <QuantityChart
          key={opened.name}
          device={device}
          quantity={opened}
          shades={shadesOf(findingsWithin(incidents, shown.value, opened.name), serverNow())}
          onClose={() => setChosen(null)}
        />
      )}
      {power !== undefined && (
        <EvidenceChart
          device={device}
          span={shown.value}
          findings={findingsWithin(incidents, shown.value)}
          quantity={power}
          title="Power against expected"
          testId="expected-chart"
          when={shownWords()}
          goesOn={showsNow.value}
          onZoom={showZoom}
        />
      )}
      <DeviceIncidents incidents={incidents} />
      {device.quantities.length === 0 ? (
        <Nothing title="This device has not sent any quantity yet." />
      ) : (
        <Card
          title="Quantities"
          aside="last 24 hours at the right; a click opens the chart"
          class="flush"
        >
          <div role="list">
            {device.quantities.map((quantity) => (
              <div role="listitem" key={quantity.name}>
                <QuantityRow
                  device={device}
                  quantity={quantity}
                  isOpen={quantity.name === chosen}
                  onOpen={() => setChosen(quantity.name === chosen ? null : quantity.name)}
                />
              </div>
            ))}
          </div>
        </Card>
      )}
    </>
  );
}

interface RowProps {
  device: Device;
  quantity: LatestValue;
  isOpen: boolean;
  onOpen: () => void;
}

function QuantityRow({ device, quantity, isOpen, onOpen }: RowProps) {
  const ageS =
    quantity.measured_at === null ? null : (serverNow() - Date.parse(quantity.measured_at)) / 1000;
  const isOld = ageS === null || ageS > device.stale_after_s;
  return (
    <button
      type="button"
      class={`quantity-row${isOpen ? " open" : ""}`}
      aria-expanded={isOpen}
      onClick={onOpen}
      data-testid={`quantity-${quantity.name}`}
    >
      <span>
        <strong>{quantity.title}</strong>
        <small class="mono">{quantity.name}</small>
      </span>
      <span class={`quantity-value number${isOld ? " old" : ""}`}>
        {formatValue(quantity.value, quantity.unit)}
        <small>{ageS === null ? "never" : `${formatAge(ageS)} ago`}</small>
      </span>
      <DaySpark deviceId={device.id} quantity={quantity} />
    </button>
  );
}
