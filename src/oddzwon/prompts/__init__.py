"""What is spoken: texts per language, the operator's own, rendering, speech, and the library of built prompts.

- texts: Language, PromptKey, Template, OwnPrompt, Texts, load_texts(own)
- plan: PromptPlan, LanguagePlan, DidPlan, OperatorValues, MenuChoice, RecordingNotice: the operator's values
- spoken: Period, spoken_period(period, language), spoken_time(at, language), language_name(language)
- aloud: aloud(text, language): what an engine would read wrongly, addresses and telephone numbers
- rendering: RenderedText, render(texts, key, language, values), operator_values(language_plan), MENU_VARIANT,
  LANGUAGE_VARIANT
- speech: Speaker (Protocol), EspeakSpeaker, CommandSpeaker; own_audio: ready-made WAV and FLAC files
- levelling, programs, studio: from the engine's audio to the two checked files, all equally loud
- build: plan_of(plan); await build(plan, directory, speaker, on_progress) -> BuildReport; unheard(plan)
- library: PromptLibrary.open(directory, studio); lookup(key, language, variant, did) -> Prompt for what was built,
  await speak(key, language, values, did) -> Prompt for CALLBACK and AGENT_WHISPER, which hold {TIME}; history()
- manifest, at_call: what was built and what was spoken during calls, with its history: nothing is removed
- journey: the order of all that a caller hears; await listen(…) writes it to one file
- errors: PromptError and its tree
"""
