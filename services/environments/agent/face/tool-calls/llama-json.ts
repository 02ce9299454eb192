import { callIn, type ToolCallFormat, type WrittenCall } from './tool-call-format.ts';

const mark = '<|python_tag|>';

/** Of Llama 3: a turn that is a call and nothing else, `{"name": …, "parameters": {…}}`; several are parted by semicolons. */
export const llamaJson: ToolCallFormat = {
  isIn: (said) => bodyOf(said).startsWith('{'),
  read(said) {
    const calls = callsIn(bodyOf(said));
    return calls === undefined ? { text: said, calls: [] } : { text: '', calls };
  },
  write: (name, json) => [{ text: `{"name": ${JSON.stringify(name)}, "parameters": ${json}}` }],
};

function bodyOf(said: string): string {
  const trimmed = said.trim();
  return (trimmed.startsWith(mark) ? trimmed.slice(mark.length) : trimmed).trim();
}

/** Undefined where something in it is no call. */
function callsIn(body: string): readonly WrittenCall[] | undefined {
  const whole = callIn(body, 'parameters');
  if (whole !== undefined) return [whole];
  // A semicolon may stand in a text of the arguments, too: then this finds no calls.
  const calls = body.split(/;(?=\s*\{)/).map((part) => callIn(part, 'parameters'));
  return calls.every((call) => call !== undefined) ? calls : undefined;
}
