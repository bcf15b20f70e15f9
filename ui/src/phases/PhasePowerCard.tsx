/** Power of a device with its three phases; what stands below it shares its time axis. */

import type { ComponentChildren } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";

import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import type { Device, QuantityChart } from "../api/types";
import { refreshMs, useLastFor, usePixels } from "../charts/asking";
import type { ChartLine } from "../charts/options";
import { TimeChart } from "../charts/TimeChart";
import { momentWithSeconds, shownWords, ZoomHint } from "../devices/chartWords";
import { formatValue } from "../format/number";
import { instantFields } from "../format/period";
import type { Table } from "../format/table";
import { ChartCard } from "../parts/ChartCard";
import { Legend } from "../parts/Legend";
import { Failed, Nothing, Waiting } from "../parts/States";
import { zone } from "../state/catalogue";
import { serverNow } from "../state/clock";
import { isCurrent, period, shown, showsNow, showZoom } from "../state/view";
import { type AlignedCharts, alignCharts } from "./alignCharts";

const HEIGHT = 280;

const PARTS = [
  { name: "active_power_w", label: "total", role: "total" },
  { name: "active_power_l1_w", label: "L1", role: "l1" },
  { name: "active_power_l2_w", label: "L2", role: "l2" },
  { name: "active_power_l3_w", label: "L3", role: "l3" },
] as const;

interface Props {
  device: Device;
  title: string;
  testId: string;
  actions?: ComponentChildren;
  /** Told the instant under the crosshair [ms], or null. */
  below?: (cursorMs: number | null) => ComponentChildren;
}

export function PhasePowerCard({ device, title, testId, actions, below }: Props) {
  const head = useRef<HTMLDivElement>(null);
  const pixels = usePixels(head);
  const charts = [
    usePart(device, PARTS[0].name, pixels),
    usePart(device, PARTS[1].name, pixels),
    usePart(device, PARTS[2].name, pixels),
    usePart(device, PARTS[3].name, pixels),
  ];
  const answers = charts.map((one) => one.answer);
  const isComplete = pixels !== null && charts.every((one) => !one.isLoading);
  const fresh = useMemo(
    () => (isComplete ? alignCharts(answers, device.stale_after_s, serverNow()) : null),
    [isComplete, ...answers, device.stale_after_s],
  );
  const aligned = useLastFor(shown.value, fresh);
  const [cursor, setCursor] = useState<number | null>(null);
  const [off, setOff] = useState<ReadonlySet<string>>(new Set());
  const error = charts.find((one) => one.error !== null);
  const lines: ChartLine[] = PARTS.map((part, i) => ({
    label: part.label,
    role: part.role,
    hasEnd: showsNow.value,
    isHidden: off.has(part.label) || !hasAny(aligned, i),
    ...(i === 0 ? { fill: 0.08, width: 2 } : { endName: part.label }),
  }));
  const at = cursor === null ? undefined : aligned?.times[cursor];
  const toggle = (label: string) =>
    setOff((old) => new Set(old.has(label) ? [...old].filter((one) => one !== label) : [...old, label]));

  return (
    <ChartCard
      title={title}
      aside={shownWords()}
      testId={testId}
      fileName={`wattscope-${device.id}-power-${period.value.range}-${period.value.from}`}
      table={aligned === null ? null : () => tableOf(aligned)}
      legend={
        <div class="legend-bar" ref={head}>
          <Legend
            entries={[
              ...PARTS.filter((_, i) => hasAny(aligned, i)).map((part) => ({
                key: part.name,
                label: part.label,
                role: part.role,
                shape: "line" as const,
                isOff: off.has(part.label),
                onToggle: () => toggle(part.label),
                ...(cursor === null ? {} : { value: valueAt(aligned, part.name, cursor) }),
              })),
              ...((aligned?.gaps.length ?? 0) > 0
                ? [{ key: "gap", label: "no data", role: "hatch" as const, shape: "hatch" as const }]
                : []),
            ]}
            {...(at === undefined ? {} : { note: momentWithSeconds(at) })}
          />
          {actions}
        </div>
      }
    >
      {error?.error != null && aligned === null ? (
        <Failed error={error.error} retry={error.reload} />
      ) : aligned === null ? (
        <Waiting height={HEIGHT} />
      ) : aligned.times.length === 0 ? (
        <Nothing title="Nothing was measured in this time." />
      ) : (
        <TimeChart
          unit="W"
          span={shown.value}
          zone={zone.value}
          lines={lines}
          times={aligned.times}
          columns={aligned.columns}
          gaps={aligned.gaps}
          present={isCurrent.value ? serverNow() : null}
          height={HEIGHT}
          syncKey={device.id}
          label={`Power of ${device.name} in total and by phase. The table button shows the numbers.`}
          onCursor={setCursor}
          onZoom={showZoom}
        />
      )}
      {below?.(at ?? null)}
      <ZoomHint />
    </ChartCard>
  );
}

function usePart(device: Device, quantity: string, pixels: number | null) {
  const { start, end } = shown.value;
  const isTold = device.quantities.some((one) => one.name === quantity);
  return useFetched<QuantityChart>(
    pixels === null || !isTold
      ? null
      : apiPath(`/api/devices/${encodeURIComponent(device.id)}/chart`, {
          quantity,
          ...instantFields(start, end),
          pixels,
        }),
    showsNow.value && pixels !== null ? refreshMs((end - start) / pixels) : 0,
  );
}

function hasAny(aligned: AlignedCharts | null, column: number): boolean {
  return aligned?.columns[column]?.some((value) => value !== null) ?? false;
}

function valueAt(aligned: AlignedCharts | null, name: string, row: number): string {
  const column = PARTS.findIndex((part) => part.name === name);
  return formatValue(aligned?.columns[column]?.[row], "W");
}

function tableOf(aligned: AlignedCharts): Table {
  const shownParts = PARTS.map((part, column) => ({ part, column })).filter(({ column }) =>
    hasAny(aligned, column),
  );
  return {
    timeTitle: "time",
    columns: shownParts.map(({ part }) => ({ title: `${part.label} [W]`, decimals: 1 })),
    rows: aligned.times
      .map((at, i) => ({
        at: Math.round(at / 1000) * 1000,
        label: momentWithSeconds(Math.round(at / 1000) * 1000),
        cells: shownParts.map(({ column }) => aligned.columns[column]?.[i] ?? null),
      }))
      .filter((row) => row.cells.some((cell) => cell !== null)),
  };
}
