/** The blanks of a sentence: a choice, a number, a length of time. */

import { useState } from "preact/hooks";

interface PickProps<Value extends string> {
  label: string;
  value: Value;
  choices: readonly (readonly [Value, string])[];
  onPick: (value: Value) => void;
  testId?: string;
}

export function Pick<Value extends string>({
  label,
  value,
  choices,
  onPick,
  testId,
}: PickProps<Value>) {
  return (
    <select
      class="blank"
      aria-label={label}
      value={value}
      onChange={(event) => onPick(event.currentTarget.value as Value)}
      data-testid={testId}
    >
      {choices.map(([one, words]) => (
        <option key={one} value={one}>
          {words}
        </option>
      ))}
    </select>
  );
}

interface NumberProps {
  label: string;
  value: number;
  /** NaN while the text is no number. */
  onNumber: (value: number) => void;
  least?: number;
  testId?: string;
}

/** Keeps what is typed, so that a point or a minus at its end does not vanish. */
export function NumberBlank({ label, value, onNumber, least, testId }: NumberProps) {
  const [text, setText] = useState(textOf(value));
  const isSame = Object.is(numberOf(text), value);
  return (
    <input
      class="blank number"
      type="text"
      inputMode="decimal"
      aria-label={label}
      size={Math.max(3, text.length)}
      value={isSame ? text : textOf(value)}
      aria-invalid={Number.isNaN(value) || (least !== undefined && value < least)}
      onInput={(event) => {
        setText(event.currentTarget.value);
        onNumber(numberOf(event.currentTarget.value));
      }}
      data-testid={testId}
    />
  );
}

function textOf(value: number): string {
  return Number.isNaN(value) ? "" : String(Number(value.toPrecision(9)));
}

/** Takes a comma for a point, and the minus of the screen for that of the keys. */
function numberOf(text: string): number {
  const plain = text.trim().replace("−", "-").replace(",", ".");
  return plain === "" ? Number.NaN : Number(plain);
}

const LENGTHS = [
  ["1", "s"],
  ["60", "min"],
  ["3600", "h"],
  ["86400", "days"],
] as const;
type LengthUnit = (typeof LENGTHS)[number][0];

interface LengthProps {
  label: string;
  /** [s] */
  value: number;
  onLength: (value: number) => void;
  testId?: string;
}

export function LengthBlank({ label, value, onLength, testId }: LengthProps) {
  const [unit, setUnit] = useState<LengthUnit>(() => unitFor(value));
  return (
    <span class="blank-pair">
      <NumberBlank
        label={label}
        value={value / Number(unit)}
        least={0}
        onNumber={(one) => onLength(one * Number(unit))}
        {...(testId === undefined ? {} : { testId })}
      />
      <Pick
        label={`${label}, unit`}
        value={unit}
        choices={LENGTHS}
        onPick={(next) => {
          onLength((value / Number(unit)) * Number(next));
          setUnit(next);
        }}
      />
    </span>
  );
}

function unitFor(value: number): LengthUnit {
  const fitting = LENGTHS.filter(([one]) => value >= Number(one) && value % Number(one) === 0);
  return fitting.at(-1)?.[0] ?? (value === 0 ? "60" : "1");
}

const PREFIXES = [
  ["1", ""],
  ["1000", "k"],
  ["1000000", "M"],
] as const;
const PREFIXED = new Set(["W", "Wh", "VA", "var"]);

interface LimitProps {
  label: string;
  /** In the base unit. */
  value: number;
  unit: string;
  onLimit: (value: number) => void;
  testId: string;
}

/** A limit in the unit that a person thinks in. */
export function LimitBlank({ label, value, unit, onLimit, testId }: LimitProps) {
  const [factor, setFactor] = useState<(typeof PREFIXES)[number][0]>(() => factorFor(value));
  const used = PREFIXED.has(unit) ? Number(factor) : 1;
  return (
    <span class="blank-pair">
      <NumberBlank
        label={label}
        value={value / used}
        onNumber={(one) => onLimit(one * used)}
        testId={testId}
      />
      {PREFIXED.has(unit) ? (
        <Pick
          label={`${label}, unit`}
          value={factor}
          choices={PREFIXES.map(([one, prefix]) => [one, `${prefix}${unit}`] as const)}
          onPick={(next) => {
            onLimit((value / used) * Number(next));
            setFactor(next);
          }}
        />
      ) : (
        unit
      )}
    </span>
  );
}

function factorFor(value: number): (typeof PREFIXES)[number][0] {
  const size = Math.abs(value);
  return size >= 1e6 ? "1000000" : size >= 1000 ? "1000" : "1";
}
