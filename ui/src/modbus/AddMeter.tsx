/** Adding a Modbus meter, or changing one: by a scan or by hand, read once before it is kept. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import { ApiError, apiPath, postJson, sendJson } from "../api/client";
import { useFetched } from "../api/fetching";
import type {
  FoundMeter,
  MeterRow,
  MeterScan,
  MeterType,
  ReadValue,
  TestRead,
} from "../api/types";
import { formatCounted, formatValue } from "../format/number";
import { Card } from "../parts/Card";
import { Failed } from "../parts/States";

const FRAMINGS = [
  ["auto", "find out"],
  ["tcp", "Modbus TCP"],
  ["rtu_over_tcp", "RTU over TCP (gateway)"],
] as const;
const MOST_VALUES = 12;

interface Cells {
  host: string;
  port: string;
  unit: string;
  framing: string;
  type: string;
  device: string;
  description: string;
  poll: string;
}

/** A meter of the tables that is to be changed. */
export interface EditedMeter {
  id: string;
  row: MeterRow;
}

const EMPTY: Cells = {
  host: "",
  port: "502",
  unit: "1",
  framing: "auto",
  type: "",
  device: "",
  description: "",
  poll: "",
};

function cellsOf(row: MeterRow): Cells {
  return {
    host: row.host,
    port: String(row.port ?? EMPTY.port),
    unit: String(row.slave_address),
    framing: row.framing ?? EMPTY.framing,
    type: row.type,
    device: row.device ?? "",
    description: row.description ?? "",
    poll: row.poll ?? "",
  };
}

type Deed = "scan" | "test" | "save" | "remove";

function addressOf(meter: EditedMeter): string {
  return `/api/meters/${encodeURIComponent(meter.id)}`;
}

/** The columns that a change keeps: all but the number of the row, which nobody gives. */
function withoutNumber(row: MeterRow): Omit<MeterRow, "id"> {
  const { id: _, ...columns } = row;
  return columns;
}

/** What a test read depends on: a change of it makes the last one say nothing. */
function connectionOf(cells: Cells): string {
  return [cells.host, cells.port, cells.unit, cells.framing, cells.type].join(" ");
}

export function AddMeter({ onAdded, edited }: { onAdded: () => void; edited?: EditedMeter }) {
  const types = useFetched<{ types: MeterType[] }>("/api/meter-types");
  const [cells, setCells] = useState<Cells>(edited === undefined ? EMPTY : cellsOf(edited.row));
  const [scan, setScan] = useState<MeterScan | null>(null);
  const [test, setTest] = useState<{ of: string; answer: TestRead } | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [busy, setBusy] = useState<Deed | null>(null);
  const [added, setAdded] = useState<string | null>(null);
  const [isSure, setIsSure] = useState(false);

  const change = (changes: Partial<Cells>) => {
    setCells((old) => ({ ...old, ...changes }));
    setAdded(null);
  };
  const attempt = async (what: Deed, act: () => Promise<void>) => {
    setBusy(what);
    setError(null);
    try {
      await act();
    } catch (cause) {
      setError(cause instanceof ApiError ? cause : new ApiError("page", String(cause)));
    }
    setBusy(null);
  };

  const port = Number(cells.port);
  const doScan = () =>
    attempt("scan", async () => {
      setScan(null);
      setScan(await postJson<MeterScan>(apiPath("/api/meters/scan", { host: cells.host, port })));
    });
  const doTest = () =>
    attempt("test", async () => {
      const of = connectionOf(cells);
      const { host, framing, type } = cells;
      const body = { host, port, unit: Number(cells.unit), framing, type };
      setTest({ of, answer: await postJson<TestRead>("/api/meters/test-read", body) });
    });
  const doSave = () =>
    attempt("save", async () => {
      const body = {
        host: cells.host,
        port,
        slave_address: Number(cells.unit),
        type: cells.type,
        framing: cells.framing,
        ...(cells.device ? { device: cells.device } : {}),
        ...(cells.description ? { description: cells.description } : {}),
        ...(cells.poll || edited !== undefined ? { poll: cells.poll || null } : {}),
      };
      const made =
        edited === undefined
          ? await postJson<{ id: string }>("/api/meters", body)
          : await sendJson<{ id: string }>("PUT", addressOf(edited), {
              ...withoutNumber(edited.row),
              ...body,
            });
      setAdded(made.id);
      if (edited === undefined) setCells(EMPTY);
      setTest(null);
      setScan(null);
      onAdded();
    });

  const doRemove = () =>
    attempt("remove", async () => {
      if (edited === undefined) return;
      await sendJson("DELETE", addressOf(edited));
      onAdded();
    });

  const hasAddress = cells.host.trim() !== "" && port > 0 && port < 65_536;
  const isDescribed = hasAddress && cells.type !== "" && cells.unit !== "";
  const tested = test !== null && test.of === connectionOf(cells) ? test.answer : null;
  const isProved = tested !== null && tested.values.some((one) => one.value !== null);
  return (
    <Card
      title={edited === undefined ? "Add a meter" : `Change ${edited.id}`}
      aside="it is read once before it is kept"
      testId="add-meter-form"
    >
      <form
        class="meter-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (isProved) void doSave();
        }}
      >
        <Field label="Host or address">
          <input
            value={cells.host}
            placeholder="192.168.1.113"
            onInput={(event) => change({ host: event.currentTarget.value.trim() })}
            data-testid="meter-host"
          />
        </Field>
        <Field label="Port">
          <input
            type="number"
            min="1"
            max="65535"
            value={cells.port}
            onInput={(event) => change({ port: event.currentTarget.value })}
            data-testid="meter-port"
          />
        </Field>
        <button
          type="button"
          class="button"
          disabled={!hasAddress || busy !== null}
          onClick={() => void doScan()}
          data-testid="meter-scan"
        >
          {busy === "scan" ? "Looking…" : "Look for meters there"}
        </button>
        {scan !== null && (
          <Found
            scan={scan}
            onUse={(one) =>
              change({
                port: String(one.port),
                unit: String(one.unit),
                framing: one.framing,
                type: one.type,
              })
            }
          />
        )}
        <Field label="Unit (slave address)">
          <input
            type="number"
            min="0"
            max="255"
            value={cells.unit}
            onInput={(event) => change({ unit: event.currentTarget.value })}
            data-testid="meter-unit"
          />
        </Field>
        <Field label="How it is wrapped">
          <select
            value={cells.framing}
            onChange={(event) => change({ framing: event.currentTarget.value })}
            data-testid="meter-framing"
          >
            {FRAMINGS.map(([name, words]) => (
              <option key={name} value={name}>
                {words}
              </option>
            ))}
          </select>
        </Field>
        <Field label="Type">
          <select
            value={cells.type}
            onChange={(event) => change({ type: event.currentTarget.value })}
            data-testid="meter-type"
          >
            <option value="">choose</option>
            {(types.answer?.types ?? []).map((one) => (
              <option key={one.name} value={one.name}>
                {one.title === one.name ? one.name : `${one.title} (${one.name})`}
              </option>
            ))}
          </select>
        </Field>
        <Field label="Id, for exports and SQL">
          <input
            value={cells.device}
            placeholder="left out, one is made"
            onInput={(event) => change({ device: event.currentTarget.value.trim() })}
            data-testid="meter-device"
          />
        </Field>
        <Field label="Name on the screen">
          <input
            value={cells.description}
            onInput={(event) => change({ description: event.currentTarget.value })}
            data-testid="meter-name"
          />
        </Field>
        <Field label="Read every">
          <input
            value={cells.poll}
            placeholder="as the source says; 10s, 1m, or a cron expression"
            onInput={(event) => change({ poll: event.currentTarget.value })}
            data-testid="meter-poll"
          />
        </Field>
        {types.error !== null && <Failed error={types.error} retry={types.reload} />}
        {error !== null && <Failed error={error} />}
        {tested !== null && <Tested answer={tested} />}
        {added !== null && (
          <p class="wide" role="status" data-testid="meter-added">
            <strong>{added}</strong> is kept and read from its next instant on.
          </p>
        )}
        <div class="form-foot">
          <button
            type="button"
            class="button"
            disabled={!isDescribed || busy !== null}
            onClick={() => void doTest()}
            data-testid="meter-test"
          >
            {busy === "test" ? "Reading…" : "Test read"}
          </button>
          <button
            type="submit"
            class="button strong"
            disabled={!isProved || busy !== null}
            data-testid="meter-save"
          >
            {busy === "save" ? "Saving…" : "Keep this meter"}
          </button>
          {edited !== undefined && (
            <button
              type="button"
              class="button"
              disabled={busy !== null}
              onClick={() => (isSure ? void doRemove() : setIsSure(true))}
              data-testid="meter-remove"
            >
              {isSure ? "Remove it, its readings stay" : "Remove"}
            </button>
          )}
          {!isProved && (
            <small class="muted">
              {tested === null ? "A test read comes first." : "Nothing was read: look at its address and type."}
            </small>
          )}
        </div>
      </form>
    </Card>
  );
}

function Field({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <label class="field">
      <span>{label}</span>
      {children}
    </label>
  );
}

function Found({ scan, onUse }: { scan: MeterScan; onUse: (one: FoundMeter) => void }) {
  if (scan.found.length === 0) {
    return (
      <p class="wide muted" role="status">
        Nobody answered there. Is the address right, and is Modbus switched on at the device?
      </p>
    );
  }
  return (
    <ul class="found wide" data-testid="meters-found">
      {scan.found.map((one) => (
        <li key={`${one.unit} ${one.framing} ${one.type}`}>
          <span>
            <strong>{one.title}</strong> unit {one.unit}
            <small>
              {one.identity ? `${one.identity} · ` : ""}
              {one.values
                .slice(0, 4)
                .map((value) => formatValue(value.value, value.unit))
                .join(", ")}
            </small>
          </span>
          <button type="button" class="button" onClick={() => onUse(one)}>
            Use
          </button>
        </li>
      ))}
    </ul>
  );
}

function Tested({ answer }: { answer: TestRead }) {
  const more = answer.values.length - MOST_VALUES;
  return (
    <div class="wide tested" role="status" data-testid="meter-tested">
      <ul class="read-values">
        {answer.values.slice(0, MOST_VALUES).map((one: ReadValue) => (
          <li key={one.quantity}>
            <small>{one.title}</small>
            <b>{formatValue(one.value, one.unit)}</b>
          </li>
        ))}
      </ul>
      {more > 0 && <p class="chart-note">and {formatCounted(more, "more value")}.</p>}
      {answer.faults.map((one, i) => (
        <p class="warn-text" key={i}>
          {typeof one === "string" ? one : (one.reason ?? one.detail ?? "")}
        </p>
      ))}
    </div>
  );
}
