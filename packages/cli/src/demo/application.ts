// The application of the demo: it has the `openai` package and two variables, OPENAI_BASE_URL and OPENAI_API_KEY, and knows
// nothing of Lloom. It prints what it sees as JSON lines.
import { APIError, OpenAI } from 'openai';
import { Interruption } from '../interruption.ts';
import { exit, Output } from '../output.ts';
import { demo } from './plan.ts';

const output = new Output({ stdout: process.stdout, stderr: process.stderr, json: true, quiet: true });
const { signal } = new Interruption().watch();
const openai = new OpenAI();

await ask();
// Whoever answers is killed in the middle of this one.
await ask();
await expectError(demo.unservedModel);
await leave();
output.event('done', {});
exit(0);

/** Asks for an answer, as a stream. */
function stream(model: string, config: { readonly signal: AbortSignal } = { signal }) {
  return openai.chat.completions.create(
    {
      model,
      messages: [{ role: 'user', content: demo.prompt }],
      stream: true,
      stream_options: { include_usage: true },
    },
    { signal: config.signal },
  );
}

/** Tells the text as it arrives, and what the last chunk says of it. */
async function ask(): Promise<void> {
  const startedAt = performance.now();
  const elapsedMs = (): number => Math.round(performance.now() - startedAt);
  let content = '';
  let finishReason: string | null = null;
  let last: OpenAI.ChatCompletionChunk | undefined;
  for await (const chunk of await stream(demo.model)) {
    const [choice] = chunk.choices;
    const text = choice?.delta.content ?? '';
    content += text;
    finishReason = choice?.finish_reason ?? finishReason;
    last = chunk;
    if (text !== '') output.event('chunk', { text, elapsedMs: elapsedMs() });
  }
  output.event('answer', { ...last, content, finishReason, elapsedMs: elapsedMs() });
}

async function expectError(model: string): Promise<void> {
  try {
    await stream(model);
    output.event('accepted', {});
  } catch (error) {
    if (!(error instanceof APIError)) throw error;
    const { status, code, message } = error as APIError;
    output.event('refused', { name: error.constructor.name, status, code, message });
  }
}

/** Begins to read an answer, and goes. */
async function leave(): Promise<void> {
  const controller = new AbortController();
  let chunks = 0;
  for await (const { choices } of await stream(demo.model, controller)) {
    if ((choices[0]?.delta.content ?? '') === '') continue;
    if (++chunks === demo.leftAfterChunks) controller.abort();
  }
  output.event('left', { chunks });
}
