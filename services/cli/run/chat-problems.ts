import { readChatTemplate } from '#chat/read-chat-template.ts';
import { errorFrom } from '#platform/errors.ts';
import { speaksInMessages, textOptions } from '#recipe/environment-part.ts';
import { locateInputs } from '#recipe/resolve-recipe.ts';
import type { LoadedRecipe } from './prepare-inputs.ts';

/** What keeps the model from rendering the messages of the recipe's environment, a sentence each. */
export async function chatProblems({ recipe, file }: Pick<LoadedRecipe, 'recipe' | 'file'>): Promise<string[]> {
  const { model } = locateInputs(recipe, file);
  if (model === undefined || !speaksInMessages(recipe)) return [];
  try {
    if ((await readChatTemplate(model)) !== undefined) return [];
  } catch (thrown) {
    return [`model.path: ${errorFrom(thrown).message}`];
  }
  const { name } = recipe.environment;
  const inText = Object.entries(textOptions(recipe)).map(
    ([option, value]) => `environment.options.${option}=${JSON.stringify(value)}`,
  );
  const orText = inText.length === 0 ? '' : `, or set ${inText.join(' and ')}`;
  return [
    `model.path: ${model} has no chat template, and environment ${name} speaks in messages; put chat_template.jinja, or a tokenizer_config.json with chat_template, there${orText}`,
  ];
}
