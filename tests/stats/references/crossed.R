# Variance components and standard error of crossed.csv by lme4, and the coefficients that
# gtheory::gstudy and gtheory::dstudy make from lme4's components (Moore 2016, gtheory 0.1.2).
#
#   Rscript crossed.R > crossed.json
#
# crossed.csv is made by tests/stats/test_parity_r.py (data).
suppressPackageStartupMessages(library(lme4))

control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12, maxfun = 1e6),
                       check.conv.singular = "ignore")

study <- function(rows) {
  model <- lmer(score ~ 1 + (1 | phrasing) + (1 | instance), rows, REML = TRUE, control = control)
  parts <- as.data.frame(VarCorr(model))
  of <- function(name) parts$vcov[parts$grp == name]
  instances <- length(unique(rows$instance))
  phrasing <- of("phrasing"); instance <- of("instance"); rest <- of("Residual")
  c(phrasing = phrasing, instance = instance, interaction = rest,
    mean = unname(fixef(model)), error = sqrt(vcov(model)[1, 1]),
    # dstudy with phrasings as objects of measurement and these many instances
    generalizability = phrasing / (phrasing + rest / instances),
    dependability = phrasing / (phrasing + (instance + rest) / instances))
}

rows <- read.csv("crossed.csv", colClasses = c("character", "character", "character", "numeric"))
sets <- split(rows, rows$set)
cat("{\n")
cat(sprintf("\"versions\": \"R %s, lme4 %s\"", getRversion(), packageVersion("lme4")))
for (name in names(sets)) {
  found <- study(sets[[name]])
  cat(sprintf(",\n\"%s\": {%s}", name,
              paste(sprintf("\"%s\": %.12g", names(found), found), collapse = ", ")))
}
cat("\n}\n")
