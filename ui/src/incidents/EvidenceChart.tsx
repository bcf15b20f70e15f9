/** What a device made against what it should have: band, peers, the device, the findings. */

import { useMemo, useRef, useState } from "preact/hooks";

import type { Finding } from "../api/alerting";
import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import type { Expected, ExpectedMethod } from "../api/fleet";
import type { Device, QuantityChart } from "../api/types";
import { refreshMs, useLastFor, usePixels } from "../charts/asking";
import type { ChartLine } from "../charts/options";
import { TimeChart } from "../charts/TimeChart";
import { momentWithSeconds } from "../devices/chartWords";
import { type Lines, linesOfChart } from "../devices/lines";
import { formatValue } from "../format/number";
import { instantFields } from "../format/period";
import type { Table } from "../format/table";
import { ChartCard } from "../parts/ChartCard";
import { Legend, type LegendEntry } from "../parts/Legend";
import { Failed, Nothing, Waiting } from "../parts/States";
import { zone } from "../state/catalogue";
import { serverNow } from "../state/clock";
import type { Span } from "../state/view";
import { evidenceRows, joinLines, valueAt } from "./evidence";
import { POWERS } from "./powers";
import { shadesOf } from "./shades";

const HEIGHT = 260;
const EDGE = 0.35;
const PEER = 0.4;
/** What is expected is told by quarter hours, and takes the server some work. */
const EXPECTED_REFRESH_MS = 300_000;
const METHOD_WORDS: Record<ExpectedMethod, string> = {
  irradiance: "of the light and the temperature that were measured, and of what it used to give",
  clear_sky: "of a clear sky, and of what it used to give; under clouds it is an upper bound",
  none: "",
};
const NO_LINES: Lines = { times: [], mean: [], low: [], high: [], count: [], gaps: [] };

interface Props {
  device: Device;
  span: Span;
  findings: readonly Finding[];
  /** What is drawn; of a power it is asked what was expected. */
  quantity: string;
  title: string;
  testId: string;
  /** The span in words. */
  when: string;
  /** Whether values are still to come. */
  goesOn: boolean;
  onZoom: (span: Span | null) => void;
}

export function EvidenceChart(props: Props) {
  const { device, span, findings, quantity, title, testId, goesOn, onZoom } = props;
  const head = useRef<HTMLDivElement>(null);
  const pixels = usePixels(head);
  const [cursor, setCursor] = useState<number | null>(null);
  const base = `/api/devices/${encodeURIComponent(device.id)}`;
  const instants = instantFields(span.start, span.end);
  const every = goesOn && pixels !== null ? refreshMs((span.end - span.start) / pixels) : 0;
  const isPower = POWERS.includes(quantity);
  const expectation = useFetched<Expected>(
    isPower ? apiPath(`${base}/expected`, instants) : null,
    goesOn ? EXPECTED_REFRESH_MS : 0,
  );
  const isTold = expectation.answer?.expected.some((one) => one !== null) ?? false;
  const expected = isTold ? expectation.answer : null;
  const unit = device.quantities.find((one) => one.name === quantity)?.unit ?? "W";
  // The device is drawn at once; what was expected may take longer to work out.
  const fetched = useFetched<QuantityChart>(
    pixels === null ? null : apiPath(`${base}/chart`, { quantity, ...instants, pixels }),
    every,
  );
  const answer = useLastFor(span, fetched.answer);
  const lines = useMemo(
    () => (answer === null ? NO_LINES : linesOfChart(answer, device.stale_after_s, serverNow())),
    [answer, device.stale_after_s],
  );
  const joined = useMemo(() => joinAll(expected, lines), [expected, lines]);
  const shades = useMemo(() => shadesOf(findings, serverNow()), [findings]);
  const drawn = linesToDraw(expected);
  const at = cursor === null ? undefined : joined.times[cursor];
  return (
    <ChartCard
      title={title}
      aside={props.when}
      testId={testId}
      fileName={`wattscope-${device.id}-evidence-${new Date(span.start).toISOString().slice(0, 10)}`.replace(
        /[^A-Za-z0-9._-]+/g,
        "_",
      )}
      table={answer === null ? null : () => tableOf(lines, expected, unit)}
      legend={
        <div class="legend-bar" ref={head}>
          <Legend
            entries={entriesOf(
              device.name,
              expected,
              joined.columns,
              cursor,
              unit,
              findings.length,
            )}
            {...(at === undefined ? {} : { note: momentWithSeconds(at) })}
          />
        </div>
      }
    >
      {fetched.error !== null && answer === null ? (
        <Failed error={fetched.error} retry={fetched.reload} />
      ) : answer === null ? (
        <Waiting height={HEIGHT} />
      ) : joined.times.length === 0 ? (
        <Nothing title="Nothing was measured in this time." />
      ) : (
        <TimeChart
          unit={unit}
          span={span}
          zone={zone.value}
          lines={drawn}
          times={joined.times}
          columns={joined.columns}
          gaps={lines.gaps}
          shades={shades}
          present={goesOn ? serverNow() : null}
          height={HEIGHT}
          label={`${title} of ${device.name}. The table button shows the numbers.`}
          onCursor={setCursor}
          onZoom={onZoom}
        />
      )}
      <p class="chart-note">{noteOf(expected, isPower, expectation.isLoading)}</p>
    </ChartCard>
  );
}

function noteOf(expected: Expected | null, isPower: boolean, isLoading: boolean): string {
  if (expected !== null) return `Expected: ${METHOD_WORDS[expected.method] ?? expected.method}.`;
  if (!isPower) return "\u00a0";
  return isLoading
    ? "Working out what was to be expected…"
    : "What to expect of it is not known, so its values stand alone.";
}

/** Peers, then the band, then the device over them all. */
function joinAll(expected: Expected | null, lines: Lines) {
  const own = { times: lines.times, columns: [lines.mean] };
  if (expected === null) return joinLines([own]);
  const times = expected.times.map((one) => Date.parse(one));
  return joinLines([
    { times, columns: [...expected.peers, expected.high, expected.low, expected.expected] },
    own,
  ]);
}

function linesToDraw(expected: Expected | null): ChartLine[] {
  const own: ChartLine = { label: "device", role: "solar", width: 2.4, hasEnd: true };
  if (expected === null) return [own];
  return [
    ...expected.peers.map((_, i): ChartLine => ({
      label: `peer ${i + 1}`,
      role: "muted",
      width: 1,
      strength: PEER,
    })),
    { label: "highest expected", role: "home", width: 1, strength: EDGE },
    { label: "lowest expected", role: "home", width: 1, strength: EDGE, closesBand: true },
    { label: "expected", role: "home", width: 1.2, dash: [5, 4] },
    own,
  ];
}

function entriesOf(
  name: string,
  expected: Expected | null,
  columns: readonly (readonly (number | null | undefined)[])[],
  cursor: number | null,
  unit: string,
  findings: number,
): LegendEntry[] {
  const peers = expected?.peers.length ?? 0;
  const told = (column: number) =>
    cursor === null ? {} : { value: formatValue(valueAt(columns[column], cursor), unit) };
  const own = expected === null ? 0 : peers + 3;
  const entries: LegendEntry[] = [
    { key: "own", label: name, role: "solar", shape: "line", ...told(own) },
  ];
  if (expected !== null) {
    const value = (column: number) => (cursor === null ? null : valueAt(columns[column], cursor));
    const band =
      cursor === null
        ? {}
        : { value: `${formatValue(value(peers + 1), unit)} to ${formatValue(value(peers), unit)}` };
    entries.push({ key: "band", label: "expected", role: "home", shape: "band", ...band });
    if (peers > 0) entries.push({ key: "peers", label: "its peers", role: "muted", shape: "line" });
  }
  if (findings > 0)
    entries.push({ key: "finding", label: "finding", role: "alert", shape: "band" });
  return entries;
}

function tableOf(lines: Lines, expected: Expected | null, unit: string): Table {
  const column = (title: string) => ({ title: `${title} [${unit}]`, decimals: 1 });
  if (expected === null) {
    return {
      timeTitle: "time",
      columns: [column("measured")],
      rows: lines.times
        .map((at, i) => ({
          at: Math.round(at / 1000) * 1000,
          label: momentWithSeconds(Math.round(at / 1000) * 1000),
          cells: [lines.mean[i] ?? null],
        }))
        .filter((_, i) => lines.count[i] !== 0),
    };
  }
  return {
    timeTitle: "time",
    columns: [
      ...["measured", "lowest expected", "expected", "highest expected"].map(column),
      ...expected.peers.map((_, i) => column(`peer ${i + 1}`)),
    ],
    rows: evidenceRows(lines, expected).map(({ at, cells }) => ({
      at,
      label: momentWithSeconds(at),
      cells,
    })),
  };
}
