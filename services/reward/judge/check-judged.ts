import type { Criterion, JudgedComponent } from '#proto/rollout/v1/judged_pb.ts';
import type { ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { rowFacts } from '#questions/row-facts.ts';
import { itemPlace } from '../check-item.ts';
import type { Judges } from './judges.ts';

const namePattern = /^[a-z][a-z0-9_]{0,63}$/;
const maxComponents = 8;
const maxCriteria = 16;
/** Shown to the judge whole, so it is bounded here. */
const maxDescriptionCharacters = 4_096;

/** Throws INVALID_ARGUMENT naming item, field, value and fix. `taken`: names that the scorers give. */
export function checkJudged(
  item: ScoreItem,
  index: number,
  judges: Judges,
  taken: { has(name: string): boolean },
): void {
  if (item.judged.length === 0) return;
  const where = itemPlace(item, index);
  if (item.judged.length > maxComponents) {
    throw invalid(`${where}: judged: found ${item.judged.length}; give at most ${maxComponents}`);
  }
  if (rowFacts(item.row).question.trim() === '') {
    throw invalid(`${where}: row.data.question: empty; a judged component needs to know what was asked`);
  }
  const seen = new Set<string>();
  item.judged.forEach((component, at) => {
    const field = `${where}: judged[${at}]`;
    const { name } = component;
    checkName(`${field}.name`, name, seen);
    if (taken.has(name)) throw invalid(`${field}.name: ${name} is a scorer's; take another name`);
    judges.get(component.judge, `${field}.judge`);
    checkMethod(field, component);
  });
}

function checkMethod(field: string, { method }: JudgedComponent): void {
  switch (method.case) {
    case 'grade': {
      const { notAttempted } = method.value;
      if (!(notAttempted >= 0 && notAttempted <= 1)) {
        throw invalid(`${field}.grade.not_attempted: ${notAttempted}; expected 0 to 1`);
      }
      return;
    }
    case 'rubric': {
      const { criteria } = method.value;
      if (criteria.length === 0 || criteria.length > maxCriteria) {
        throw invalid(`${field}.rubric.criteria: found ${criteria.length}; give 1 to ${maxCriteria}`);
      }
      const seen = new Set<string>();
      criteria.forEach((criterion, at) => checkCriterion(`${field}.rubric.criteria[${at}]`, criterion, seen));
      return;
    }
    case undefined:
      throw invalid(`${field}: method: missing; give grade or rubric`);
  }
}

function checkCriterion(field: string, { name, description, weight }: Criterion, seen: Set<string>): void {
  checkName(`${field}.name`, name, seen);
  if (description.trim() === '' || description.length > maxDescriptionCharacters) {
    throw invalid(
      `${field}.description: ${description.length} characters for ${name}; say in 1 to ${maxDescriptionCharacters} what deserves 1`,
    );
  }
  if (!Number.isFinite(weight) || weight <= 0) {
    throw invalid(`${field}.weight: ${weight} for ${name}; expected a finite number > 0`);
  }
}

function checkName(field: string, name: string, seen: Set<string>): void {
  if (!namePattern.test(name)) {
    throw invalid(`${field}: ${JSON.stringify(name.slice(0, 80))}; use lower case, digits and _, at most 64`);
  }
  if (seen.has(name)) throw invalid(`${field}: ${name} is listed twice`);
  seen.add(name);
}

function invalid(message: string): TerminalError {
  return new TerminalError('invalid_argument', message);
}
