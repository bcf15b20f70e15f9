/** When a rule looks: at any time or between two, on every day or on some. */

import { useState } from "preact/hooks";

import type { RuleSchedule } from "../api/alerting";
import { Pick } from "./blanks";
import { isWholeDay, weekdayNames, weekdayWords } from "./ruleWords";

interface Props {
  schedule: RuleSchedule;
  onSchedule: (schedule: RuleSchedule) => void;
}

const DAYS: Record<string, number[]> = {
  all: [0, 1, 2, 3, 4, 5, 6],
  work: [0, 1, 2, 3, 4],
  weekend: [5, 6],
};

function daysKey(weekdays: readonly number[]): string {
  const sorted = [...weekdays].sort((a, b) => a - b).join();
  return Object.keys(DAYS).find((key) => DAYS[key]?.join() === sorted) ?? "own";
}

export function ScheduleBlank({ schedule, onSchedule }: Props) {
  const [isOwn, setIsOwn] = useState(daysKey(schedule.weekdays) === "own");
  const isAlways = isWholeDay(schedule);
  const key = isOwn ? "own" : daysKey(schedule.weekdays);
  const choices = [
    ["all", weekdayWords(DAYS["all"] ?? [])],
    ["work", weekdayWords(DAYS["work"] ?? [])],
    ["weekend", weekdayWords(DAYS["weekend"] ?? [])],
    ["own", "some days"],
  ] as const;
  const pickDays = (next: string) => {
    setIsOwn(next === "own");
    const weekdays = DAYS[next];
    if (weekdays !== undefined) onSchedule({ ...schedule, weekdays });
  };
  return (
    <>
      <Pick
        label="Time of day"
        value={isAlways ? "always" : "between"}
        choices={[
          ["always", "at any time"],
          ["between", "between"],
        ]}
        onPick={(one) =>
          onSchedule({
            ...schedule,
            ...(one === "always"
              ? { start: "00:00", end: "24:00" }
              : { start: "08:00", end: "18:00" }),
          })
        }
        testId="rule-time"
      />{" "}
      {!isAlways && (
        <>
          <TimeBlank
            label="From"
            value={schedule.start}
            onTime={(start) => onSchedule({ ...schedule, start })}
          />
          {" and "}
          <TimeBlank
            label="Until"
            value={schedule.end === "24:00" ? "00:00" : schedule.end}
            onTime={(end) => onSchedule({ ...schedule, end: end === "00:00" ? "24:00" : end })}
          />{" "}
        </>
      )}
      {"on "}
      <Pick label="Days" value={key} choices={choices} onPick={pickDays} testId="rule-days" />
      {isOwn && (
        <span class="day-picks" role="group" aria-label="Days">
          {weekdayNames().map((name, day) => {
            const isOn = schedule.weekdays.includes(day);
            return (
              <button
                type="button"
                key={name}
                class="pick"
                aria-pressed={isOn}
                onClick={() =>
                  onSchedule({
                    ...schedule,
                    weekdays: isOn
                      ? schedule.weekdays.filter((one) => one !== day)
                      : [...schedule.weekdays, day].sort((a, b) => a - b),
                  })
                }
              >
                {name}
              </button>
            );
          })}
        </span>
      )}
    </>
  );
}

interface TimeProps {
  label: string;
  value: string;
  onTime: (time: string) => void;
}

function TimeBlank({ label, value, onTime }: TimeProps) {
  return (
    <input
      type="time"
      class="blank"
      aria-label={label}
      value={value}
      onInput={(event) => {
        // A field that is half filled has no time yet.
        if (event.currentTarget.value !== "") onTime(event.currentTarget.value.slice(0, 5));
      }}
    />
  );
}
