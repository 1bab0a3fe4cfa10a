package mutation

// safetyRules are the checks of commits and maintenance.
var safetyRules = []rule{}
