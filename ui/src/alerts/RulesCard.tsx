/** Every rule as a sentence; a new one, or a change of one, is a sentence with blanks. */

import { useState } from "preact/hooks";

import type { AlertRule, Channel } from "../api/alerting";
import { ApiError, sendJson } from "../api/client";
import { useFetched } from "../api/fetching";
import { formatCounted } from "../format/number";
import { SeverityMark } from "../incidents/SeverityMark";
import { Card } from "../parts/Card";
import { Failed, Nothing, Waiting } from "../parts/States";
import { noteChange, useReloadOnChange } from "../state/changes";
import { RuleEditor } from "./RuleEditor";
import { NEW_RULE, ruleWords } from "./ruleWords";
import { useNames } from "./useNames";

export function RulesCard({ channels }: { channels: readonly Channel[] }) {
  const fetched = useFetched<{ rules: AlertRule[] }>("/api/alert-rules");
  useReloadOnChange(fetched.reload);
  const [edited, setEdited] = useState<AlertRule | null>(null);
  const rules = fetched.answer?.rules ?? null;
  return (
    <Card
      title="Rules"
      aside={rules === null ? undefined : formatCounted(rules.length, "rule")}
      class="flush"
      testId="rules"
      actions={
        <button
          type="button"
          class="text-button"
          aria-expanded={edited !== null}
          onClick={() => setEdited(edited === null ? NEW_RULE : null)}
          data-testid="add-rule"
        >
          {edited === null ? "Add a rule" : "Close"}
        </button>
      }
    >
      {edited !== null && (
        <RuleEditor
          key={edited.id}
          first={edited}
          channels={channels}
          onDone={() => setEdited(null)}
        />
      )}
      {fetched.error !== null && rules === null ? (
        <Failed error={fetched.error} retry={fetched.reload} />
      ) : rules === null ? (
        <Waiting height={90} />
      ) : rules.length === 0 ? (
        edited === null && (
          <Nothing title="No rule yet.">
            Incidents stand above without any. A rule tells you of them, or of a value, where you
            are.
          </Nothing>
        )
      ) : (
        <ul>
          {rules.map((rule) => (
            <RuleRow
              key={rule.id}
              rule={rule}
              isEdited={rule.id === edited?.id}
              onEdit={() => setEdited(rule)}
            />
          ))}
        </ul>
      )}
    </Card>
  );
}

interface RowProps {
  rule: AlertRule;
  isEdited: boolean;
  onEdit: () => void;
}

function RuleRow({ rule, isEdited, onEdit }: RowProps) {
  const names = useNames();
  const [error, setError] = useState<string | null>(null);
  const toggle = async () => {
    setError(null);
    try {
      await sendJson("PUT", `/api/alert-rules/${rule.id}`, {
        ...rule,
        is_enabled: !rule.is_enabled,
      });
      noteChange();
    } catch (cause) {
      setError(cause instanceof ApiError ? cause.message : String(cause));
    }
  };
  return (
    <li
      class={`rule-row${rule.is_enabled ? "" : " off"}${isEdited ? " open" : ""}`}
      data-testid={`rule-${rule.id}`}
      data-enabled={rule.is_enabled ? "yes" : "no"}
    >
      <SeverityMark severity={rule.severity} />
      <span>
        <strong>{rule.name}</strong>
        <small>Tell me when {ruleWords(rule, names)}.</small>
        {error !== null && (
          <small class="alert-text" role="alert">
            {error}
          </small>
        )}
      </span>
      <button
        type="button"
        class="switch"
        role="switch"
        aria-checked={rule.is_enabled}
        aria-label={`Rule ${rule.name}`}
        onClick={() => void toggle()}
      >
        <i aria-hidden="true" />
        <span>{rule.is_enabled ? "on" : "off"}</span>
      </button>
      <button type="button" class="button" aria-label={`Change ${rule.name}`} onClick={onEdit}>
        Change
      </button>
    </li>
  );
}
