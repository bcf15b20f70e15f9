/** Reads the HTTP interface; every failure becomes an ApiError that says what to do. */

import { noteServerTime } from "../state/clock";

export class ApiError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export type Query = Record<string, string | number | null | undefined>;

export function apiPath(path: string, query: Query = {}): string {
  const fields = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined) fields.set(name, String(value));
  }
  const text = fields.toString();
  return text ? `${path}?${text}` : path;
}

export function getJson<Answer>(path: string, signal: AbortSignal): Promise<Answer> {
  return ask<Answer>(path, { signal, headers: { accept: "application/json" } });
}

/** Asks the server to do something. */
export function postJson<Answer>(path: string, body?: unknown): Promise<Answer> {
  return sendJson<Answer>("POST", path, body);
}

/** Asks the server to change something that is there, or to remove it. */
export function sendJson<Answer>(
  method: "POST" | "PUT" | "DELETE",
  path: string,
  body?: unknown,
): Promise<Answer> {
  return ask<Answer>(path, {
    method,
    headers: { accept: "application/json", "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

async function ask<Answer>(path: string, options: RequestInit): Promise<Answer> {
  let response: Response;
  const sentMs = Date.now();
  try {
    response = await fetch(path, options);
  } catch (cause) {
    if (options.signal?.aborted) throw cause;
    throw new ApiError("unreachable", "The server does not answer. Is Wattscope still running?");
  }
  noteServerTime(response.headers.get("date"), sentMs);
  if (!response.ok) throw await problemOf(response);
  return (await response.json()) as Answer;
}

interface Problem {
  title?: string;
  detail?: string;
  code?: string;
}

async function problemOf(response: Response): Promise<ApiError> {
  let problem: Problem = {};
  try {
    problem = (await response.json()) as Problem;
  } catch {
    // A proxy in between answers with HTML: the status alone has to do.
  }
  const title = problem.title ?? `The server answered ${response.status}.`;
  const message = problem.detail && problem.detail !== title ? `${title} ${problem.detail}` : title;
  return new ApiError(problem.code ?? `http_${response.status}`, message);
}
