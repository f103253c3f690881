"""What is spoken: texts per language, rendering, speech, and the library of built prompts.

- texts: Language, PromptKey, Template, Texts, load_texts(own)
- plan: PromptPlan, LanguagePlan, OperatorValues, MenuChoice, RecordingNotice: the operator's values
- spoken: Period, spoken_period(period, language), spoken_time(at, language), aloud(text, language)
- rendering: RenderedText, render(texts, key, language, values), operator_values(language_plan), MENU_VARIANT
- speech: Speaker (Protocol), EspeakSpeaker, CommandSpeaker
- levelling, programs, studio: from the engine's audio to the two checked files
- build: plan_of(plan); await build(plan, directory, speaker, on_progress) -> BuildReport
- library: PromptLibrary.open(directory, studio); lookup(key, language, variant) -> Prompt for what was built,
  await speak(key, language, values) -> Prompt for CALLBACK and AGENT_WHISPER, which hold {TIME}
- manifest, at_call: what was built and what was spoken during calls, with its history
- errors: PromptError and its tree
"""
