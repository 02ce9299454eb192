import { z } from 'zod';

const types = new Set(['object', 'array', 'string', 'number', 'integer', 'boolean', 'null']);

/** Fields that hold a schema, a list of schemas, or schemas by name. */
const within = {
  one: ['items', 'additionalProperties', 'not', 'if', 'then', 'else', 'contains', 'propertyNames'],
  list: ['anyOf', 'oneOf', 'allOf', 'prefixItems'],
  named: ['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'],
} as const;

/** The JSON schema of what a tool takes: an object. What is no schema is refused with the place that is wrong. */
export const toolSchema = z.looseObject({}).check((context) => {
  const problem = problemOf(context.value, []);
  const { type } = context.value;
  if (problem !== undefined) report(problem.path, problem.message);
  else if (type !== undefined && type !== 'object') report(['type'], 'a tool takes an object: "object"');

  function report(path: (string | number)[], message: string): void {
    context.issues.push({ code: 'custom', message, path, input: context.value });
  }
});

/** Any JSON schema that is an object. */
export const jsonSchema = z.looseObject({}).check((context) => {
  const problem = problemOf(context.value, []);
  if (problem !== undefined) context.issues.push({ code: 'custom', ...problem, input: context.value });
});

interface Problem {
  readonly path: (string | number)[];
  readonly message: string;
}

/** Bodies of requests are bounded in depth. */
function problemOf(schema: unknown, path: (string | number)[]): Problem | undefined {
  if (typeof schema === 'boolean') return undefined;
  const fields = fieldsOf(schema);
  if (fields === undefined) return { path, message: 'a JSON schema is an object, true or false' };
  const { type, required, enum: values } = fields;
  const named = (Array.isArray(type) ? type : [type]).find((one) => one !== undefined && !types.has(String(one)));
  if (named !== undefined) {
    return { path: [...path, 'type'], message: `${JSON.stringify(named).slice(0, 60)} is no type of JSON schema` };
  }
  if (required !== undefined && !(Array.isArray(required) && required.every((name) => typeof name === 'string'))) {
    return { path: [...path, 'required'], message: 'it is a list of names' };
  }
  if (values !== undefined && !Array.isArray(values)) return { path: [...path, 'enum'], message: 'it is a list' };
  for (const [name, inner, at] of schemasIn(fields)) {
    const problem =
      inner === notSchemas
        ? { path: [...path, ...at], message: `${name} holds no schemas` }
        : problemOf(inner, [...path, ...at]);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

const notSchemas = Symbol('what should hold schemas does not');

function* schemasIn(fields: Readonly<Record<string, unknown>>): Generator<[string, unknown, (string | number)[]]> {
  for (const name of within.one) {
    const value = fields[name];
    if (value === undefined) continue;
    // Older drafts list them.
    if (Array.isArray(value)) for (const [at, one] of value.entries()) yield [name, one, [name, at]];
    else yield [name, value, [name]];
  }
  for (const name of within.list) {
    const value = fields[name];
    if (value === undefined) continue;
    if (!Array.isArray(value)) yield [name, notSchemas, [name]];
    else for (const [at, one] of value.entries()) yield [name, one, [name, at]];
  }
  for (const name of within.named) {
    const value = fields[name];
    if (value === undefined) continue;
    const inner = fieldsOf(value);
    if (inner === undefined) yield [name, notSchemas, [name]];
    else for (const [key, one] of Object.entries(inner)) yield [name, one, [name, key]];
  }
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  // Checked in the line before.
  return isObject ? (value as Readonly<Record<string, unknown>>) : undefined;
}
