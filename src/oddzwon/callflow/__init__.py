"""What a person on the phone meets, and the loop between Asterisk's events and the domain.

inbound      the script of an inbound call
callback     the script of a callback, once the customer has answered
talk         saying a prompt and listening for a key, with a receipt for each
recording    the recording gate: announced first, committed, then armed
calls        the calls under way, as the flows and the watch share them
watch        Asterisk's events to the domain, its commands back
aftermath    from a settled call to its verdict, its decision and its callback
attestation  the agent's word that a call was cut off, and what follows from it
dialling     one callback, from waiting to its end
hangup       ending an attempt for certain
callbacks    the callbacks under way, and what each resumes
dialfacts    what the decision and the dial gate ask the log
arrival      what the network says of the caller, and the row in the log
takeover     what was under way when we were not looking
failpoints   where the tests kill the service
agents       who is free, and who is promised to a callback
switchboard  what all of them stand on; wired by bootstrap
alarms       one alarm for a condition, and one when it is over
"""
