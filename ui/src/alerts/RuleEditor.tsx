/** A rule as a sentence with blanks, tried on the last month while it is written. */

import { useState } from "preact/hooks";

import type { AlertRule, Channel, RuleKind, Severity } from "../api/alerting";
import { ApiError, postJson, sendJson } from "../api/client";
import { noteChange } from "../state/changes";
import { LengthBlank, LimitBlank, NumberBlank, Pick } from "./blanks";
import { DevicesBlank } from "./DevicesBlank";
import { RulePreview } from "./RulePreview";
import { CAUSES, COMPARISONS, missingIn, MOST_LETTERS, nameFor } from "./ruleWords";
import { ScheduleBlank } from "./ScheduleBlank";
import { useNames } from "./useNames";
import { WaysBlank } from "./WaysBlank";

const NO_DATA = " nothing";
const INCIDENT = " incident";
const SEVERITIES: readonly (readonly [Severity, string])[] = [
  ["info", "a notice"],
  ["warning", "a warning"],
  ["critical", "critical"],
];

interface Props {
  first: AlertRule;
  channels: readonly Channel[];
  onDone: () => void;
}

export function RuleEditor({ first, channels, onDone }: Props) {
  const names = useNames();
  const [rule, setRule] = useState<AlertRule>(() =>
    first.id === 0 ? { ...first, quantity: firstQuantity(names.quantities) } : first,
  );
  const change = (changes: Partial<AlertRule>) => setRule((old) => ({ ...old, ...changes }));
  const unit = names.quantityOf(rule.quantity)?.unit ?? "";
  return (
    <form
      class="rule-editor"
      aria-label={first.id === 0 ? "New rule" : `Change ${first.name}`}
      data-testid="rule-editor"
      onSubmit={(event) => event.preventDefault()}
    >
      <p class="sentence">
        Tell me when <Condition rule={rule} change={change} unit={unit} />{" "}
        <ScheduleBlank schedule={rule.schedule} onSchedule={(schedule) => change({ schedule })} />{" "}
        through{" "}
        <WaysBlank
          channels={channels}
          chosen={rule.channels}
          onWays={(ways) => change({ channels: ways })}
        />
        .
      </p>
      <More rule={rule} change={change} unit={unit} placeholder={nameFor(rule, names)} />
      <RulePreview rule={rule} unit={unit} />
      <Foot rule={rule} name={rule.name.trim() || nameFor(rule, names)} onDone={onDone} />
    </form>
  );
}

function firstQuantity(choices: readonly { name: string }[]): string {
  const liked = ["active_power_w", "production_power_w", "dc_power_w"];
  return (choices.find((one) => liked.includes(one.name)) ?? choices[0])?.name ?? "";
}

interface PartProps {
  rule: AlertRule;
  change: (changes: Partial<AlertRule>) => void;
  unit: string;
}

/** What is looked at, where, and when it counts. */
function Condition({ rule, change, unit }: PartProps) {
  const names = useNames();
  const isValue = rule.kind !== "no_data" && rule.kind !== "incident";
  const subject =
    rule.kind === "no_data" ? NO_DATA : rule.kind === "incident" ? INCIDENT : rule.quantity;
  const pickSubject = (name: string) => {
    if (name === NO_DATA) change({ kind: "no_data", quantity: "", for_s: rule.for_s || 600 });
    else if (name === INCIDENT) change({ kind: "incident", quantity: "", threshold: 0, for_s: 0 });
    else
      change({
        quantity: name,
        kind: isValue ? rule.kind : "below",
        for_s: isValue ? rule.for_s : 600,
      });
  };
  const known = names.quantities.map((one) => [one.name, one.title] as const);
  // A rule may speak of a quantity that no device tells now.
  const missing = isValue && rule.quantity !== "" && !names.quantityOf(rule.quantity);
  const subjects = [
    ...(rule.quantity === "" && isValue ? [["", "choose"] as const] : []),
    ...(missing ? [[rule.quantity, rule.quantity] as const] : []),
    ...known,
    [NO_DATA, "nothing heard"] as const,
    [INCIDENT, "an incident"] as const,
  ];
  const all = isValue ? (names.quantityOf(rule.quantity)?.count ?? 0) : null;
  return (
    <>
      <Pick
        label="What"
        value={subject}
        choices={subjects}
        onPick={pickSubject}
        testId="rule-what"
      />
      {rule.kind === "incident" && (
        <>
          {" of "}
          <CauseBlank rule={rule} change={change} />
        </>
      )}
      {rule.kind === "incident" ? " at " : " of "}
      <DevicesBlank
        chosen={rule.devices}
        quantity={isValue ? rule.quantity : null}
        count={all}
        onDevices={(devices) => change({ devices })}
      />{" "}
      {rule.kind === "incident" ? (
        <>
          that costs more than{" "}
          <NumberBlank
            label="Energy lost a day"
            value={rule.threshold}
            least={0}
            onNumber={(threshold) => change({ threshold })}
            testId="rule-limit"
          />{" "}
          kWh a day
        </>
      ) : (
        isValue && <Comparison rule={rule} change={change} unit={unit} />
      )}
      {rule.kind !== "incident" && (
        <>
          {" for "}
          <LengthBlank
            label="For how long"
            value={rule.for_s}
            onLength={(for_s) => change({ for_s })}
            testId="rule-for"
          />
        </>
      )}
    </>
  );
}

function Comparison({ rule, change, unit }: PartProps) {
  const isStep = rule.kind === "rises" || rule.kind === "falls";
  return (
    <>
      <Pick<RuleKind>
        label="Comparison"
        value={rule.kind}
        choices={COMPARISONS}
        onPick={(kind) => change({ kind })}
        testId="rule-comparison"
      />{" "}
      <LimitBlank
        key={unit}
        label="Limit"
        value={rule.threshold}
        unit={unit}
        onLimit={(threshold) => change({ threshold })}
        testId="rule-limit"
      />
      {isStep && (
        <>
          {" within "}
          <LengthBlank
            label="Within what time"
            value={rule.per_s}
            onLength={(per_s) => change({ per_s })}
          />
        </>
      )}
    </>
  );
}

/** Any cause, or one; several are kept as they came. */
function CauseBlank({ rule, change }: Omit<PartProps, "unit">) {
  const [only] = rule.kinds;
  const value = rule.kinds.length > 1 ? "several" : (only ?? "");
  const choices = [
    ["", "any cause"] as const,
    ...(rule.kinds.length > 1 ? [["several", `${rule.kinds.length} causes`] as const] : []),
    ...CAUSES,
  ];
  return (
    <Pick
      label="Cause"
      value={value}
      choices={choices}
      onPick={(kind) => {
        if (kind !== "several") change({ kinds: kind === "" ? [] : [kind] });
      }}
      testId="rule-cause"
    />
  );
}

function More({ rule, change, unit, placeholder }: PartProps & { placeholder: string }) {
  const hasLimit = rule.kind === "above" || rule.kind === "below";
  return (
    <details class="rule-more">
      <summary data-testid="rule-more">More</summary>
      <div class="rule-more-fields">
        {hasLimit && (
          <p class="sentence small-sentence">
            It is over when the value is back by{" "}
            <LimitBlank
              key={unit}
              label="Hysteresis"
              value={rule.hysteresis}
              unit={unit}
              onLimit={(hysteresis) => change({ hysteresis })}
              testId="rule-hysteresis"
            />{" "}
            behind the limit.
          </p>
        )}
        <p class="sentence small-sentence">
          It is{" "}
          <Pick
            label="Severity"
            value={rule.severity}
            choices={SEVERITIES}
            onPick={(severity) => change({ severity })}
            testId="rule-severity"
          />{" "}
          and called{" "}
          <input
            class="blank wide-blank"
            aria-label="Name of the rule"
            value={rule.name}
            placeholder={placeholder}
            maxLength={MOST_LETTERS}
            onInput={(event) => change({ name: event.currentTarget.value })}
            data-testid="rule-name"
          />
          .
        </p>
      </div>
    </details>
  );
}

interface FootProps {
  rule: AlertRule;
  name: string;
  onDone: () => void;
}

function Foot({ rule, name, onDone }: FootProps) {
  const [error, setError] = useState<string | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const [isSure, setIsSure] = useState(false);
  const send = async (act: () => Promise<unknown>) => {
    setIsBusy(true);
    setError(null);
    try {
      await act();
      noteChange();
      onDone();
    } catch (cause) {
      setError(cause instanceof ApiError ? cause.message : String(cause));
      setIsBusy(false);
    }
  };
  const named = { ...rule, name };
  const address = `/api/alert-rules/${rule.id}`;
  const save = () =>
    send(() =>
      rule.id === 0 ? postJson("/api/alert-rules", named) : sendJson("PUT", address, named),
    );
  return (
    <div class="form-foot">
      <button
        type="button"
        class="button strong"
        disabled={isBusy || missingIn(rule) !== null}
        onClick={() => void save()}
        data-testid="rule-save"
      >
        {rule.id === 0 ? "Keep this rule" : "Save"}
      </button>
      <button type="button" class="button" onClick={onDone}>
        Leave it
      </button>
      {rule.id !== 0 && (
        <button
          type="button"
          class="button"
          disabled={isBusy}
          onClick={() => (isSure ? void send(() => sendJson("DELETE", address)) : setIsSure(true))}
          data-testid="rule-delete"
        >
          {isSure ? "Delete it for good" : "Delete"}
        </button>
      )}
      {error !== null && (
        <p class="alert-text" role="alert" data-testid="rule-error">
          {error}
        </p>
      )}
    </div>
  );
}
