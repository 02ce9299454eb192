import { z } from 'zod';

/** A row of MuSiQue-Ans in the official schema (Trivedi et al. 2022); unknown keys are errors. */
export const paragraphSchema = z.strictObject({
  idx: z.int().min(0),
  title: z.string(),
  paragraph_text: z.string(),
  is_supporting: z.boolean(),
});

export const decompositionStepSchema = z.strictObject({
  id: z.int().min(0),
  /** May name the answer of an earlier step as `#1`. */
  question: z.string().min(1),
  answer: z.string().min(1),
  /** `idx` of the paragraph that holds the fact. */
  paragraph_support_idx: z.int().min(0),
});

export const musiqueRowSchema = z.strictObject({
  /** `<class>__<step ids joined by _>`, for example `2hop__150763_14904`. */
  id: z.string().regex(/^[234]hop\d?__.+$/, 'expected an id like 2hop__150763_14904 or 3hop1__1_2_3'),
  paragraphs: z.array(paragraphSchema).min(1),
  question: z.string().min(1),
  question_decomposition: z.array(decompositionStepSchema).min(1),
  answer: z.string().min(1),
  answer_aliases: z.array(z.string()),
  /** MuSiQue-Full also has questions without an answer; their `answer` is that of another question. */
  answerable: z.literal(true, 'must be true; give MuSiQue-Ans, or leave out the questions that have no answer'),
});

export type MuSiqueParagraph = z.infer<typeof paragraphSchema>;
export type MuSiqueRow = z.infer<typeof musiqueRowSchema>;
