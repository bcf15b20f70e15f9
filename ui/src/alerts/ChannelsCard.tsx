/** The ways messages take, and whether they get through. */

import { useState } from "preact/hooks";

import type { Channel } from "../api/alerting";
import { ApiError, postJson } from "../api/client";
import { formatCounted } from "../format/number";
import { Card } from "../parts/Card";
import { Nothing } from "../parts/States";
import { noteChange } from "../state/changes";

export function ChannelsCard({ channels }: { channels: readonly Channel[] }) {
  return (
    <Card title="Ways to be told" aside="of the settings" testId="channels" class="flush">
      {channels.length === 0 ? (
        <Nothing title="Nobody is told yet.">
          Alerts stand on this page alone. A table <code>[[notify]]</code> in the settings adds
          mail, a webhook or another way.
        </Nothing>
      ) : (
        <ul>
          {channels.map((one) => (
            <ChannelRow key={one.name} channel={one} />
          ))}
        </ul>
      )}
    </Card>
  );
}

type Trial = { state: "idle" | "busy" | "sent" } | { state: "failed"; words: string };

function ChannelRow({ channel }: { channel: Channel }) {
  const [trial, setTrial] = useState<Trial>({ state: "idle" });
  const test = async () => {
    setTrial({ state: "busy" });
    try {
      await postJson(`/api/channels/${encodeURIComponent(channel.name)}/test`, {});
      setTrial({ state: "sent" });
    } catch (cause) {
      setTrial({
        state: "failed",
        words: cause instanceof ApiError ? cause.message : String(cause),
      });
    }
    noteChange();
  };
  const waiting =
    channel.waiting > 0 ? `, ${formatCounted(channel.waiting, "message")} waiting` : "";
  return (
    <li
      class="channel-row"
      data-testid={`channel-${channel.name}`}
      data-ok={channel.is_ok ? "yes" : "no"}
    >
      <span>
        <strong>{channel.name}</strong>
        <small>{channel.type}</small>
      </span>
      <span class={`meter-state ${channel.is_ok ? "ok" : "faulty"}`}>
        <i class="chip-dot" aria-hidden="true" />
        <span>
          {channel.is_ok ? "works" : "does not get through"}
          {waiting}
          {channel.last_error !== null && (
            <small title={channel.last_error}>{channel.last_error}</small>
          )}
        </span>
      </span>
      <span class="channel-test" role="status">
        {trial.state === "sent" && <small>A test is on its way.</small>}
        {trial.state === "failed" && <small class="alert-text">{trial.words}</small>}
        <button
          type="button"
          class="button"
          disabled={trial.state === "busy"}
          aria-label={`Send a test through ${channel.name}`}
          onClick={() => void test()}
        >
          {trial.state === "busy" ? "Sending…" : "Send a test"}
        </button>
      </span>
    </li>
  );
}
