"""Why an act is refused, in words: those about codes stand in refusal.py."""

from flask_babel import LazyString, lazy_gettext

ACT_TEXTS: dict[str, LazyString] = {
    "reset_code_empty": lazy_gettext("Enter the reset code that you were given."),
    "reset_code_shape": lazy_gettext("A reset code has 16 letters and numbers. Check each one."),
    "reset_code_unknown": lazy_gettext("That reset code does not match. Check each character."),
    "reset_code_old": lazy_gettext("That reset code is more than 7 days old. Ask for a new one."),
    "reason_empty": lazy_gettext("Say why, in a few words. It is kept and mailed."),
    "reason_long": lazy_gettext("Say why in one line of at most 200 letters."),
    "disabled": lazy_gettext("%(name)s is disabled. Let them back in first."),
    "nothing_to_reset": lazy_gettext("%(name)s has no two-factor authentication to reset."),
    "last_owner": lazy_gettext(
        "%(name)s is the last owner of an organisation. Give it another owner first."
    ),
    "own_account": lazy_gettext(
        "You can’t do this to your own account. Ask another administrator."
    ),
    "own_two_factor": lazy_gettext(
        "Set up two-factor authentication for yourself first. Resetting needs your own code."
    ),
    "people_empty": lazy_gettext("Type the people, one a line, or choose a file."),
    "people_many": lazy_gettext("Add at most %(most)s people at once. Nobody was added."),
    "people_file": lazy_gettext(
        "That file can’t be read. Save it as CSV, in UTF-8. Nobody was added."
    ),
    "people_bad": lazy_gettext(
        "Lines that added nobody: %(number)s. Correct them, then send them again."
    ),
    "people_twice": lazy_gettext("The same address is in line %(number)s."),
    "people_here": lazy_gettext("Is here already."),
    "request_over": lazy_gettext(
        "That request is over. Ask the people who look after the organisation for a new one."
    ),
    "people_name": lazy_gettext("Give a name of at most %(most)s letters."),
    "people_role": lazy_gettext("You can give these roles: %(roles)s."),
    "role_choice": lazy_gettext("Choose one of the roles that you can give."),
    "only_owner": lazy_gettext(
        "You are the last owner, and nobody can do this to their own account. "
        "Ask the people who run this service."
    ),
    "role_too_high": lazy_gettext(
        "%(name)s looks after people here or elsewhere. Only an owner there can do this."
    ),
    "sso_state": lazy_gettext(
        "That sign-in was not begun in this browser, or it is too old. Please start again."
    ),
    "sso_unavailable": lazy_gettext(
        "%(name)s does not answer as it should at the moment. "
        "Try again later, or use your password."
    ),
    "sso_cancelled": lazy_gettext("The sign-in at %(name)s was stopped. You can start again."),
    "sso_answer": lazy_gettext(
        "The answer of %(name)s could not be checked, so nobody was signed in. Please start again."
    ),
    "sso_unverified": lazy_gettext(
        "%(name)s has not confirmed your email address. Ask the people who run %(name)s."
    ),
    "sso_unknown_person": lazy_gettext(
        "Nobody here has your email address at %(name)s. "
        "Ask the people who look after accounts in your organisation to add you."
    ),
    "sso_other_subject": lazy_gettext(
        "The account with your email belongs to another person of %(name)s. "
        "Ask the people who look after accounts in your organisation."
    ),
    "sso_no_password": lazy_gettext(
        "There is an account with your email, but nothing here can show that it is yours. "
        "Ask the people who look after accounts in your organisation."
    ),
    "sso_closed": lazy_gettext(
        "Your account is closed. Ask the people who look after accounts in your organisation."
    ),
    "sso_organisation": lazy_gettext(
        "Your organisation does not sign in with %(name)s. Use your password."
    ),
    "sso_other_person": lazy_gettext(
        "At %(name)s you signed in as somebody else. Use the account you came with."
    ),
    "sso_no_auth_time": lazy_gettext(
        "%(name)s does not tell when you signed in there. We can mail you a code instead."
    ),
    "sso_stale": lazy_gettext(
        "%(name)s did not ask you to sign in again. Sign out there, then try again."
    ),
    "sso_lower": lazy_gettext(
        "%(name)s asked you for less than when you signed in. Please try again."
    ),
    "proof_old": lazy_gettext("Please confirm that it is you first."),
    "must_keep": lazy_gettext(
        "%(organisation)s demands two-factor authentication. You can’t turn it off."
    ),
    "last_backup_way": lazy_gettext(
        "This is your last backup way, and %(organisation)s demands one. Get new codes first."
    ),
    "password_same": lazy_gettext("That is your old password. Choose another one."),
    "hard_without_own": lazy_gettext(
        "Set up two-factor authentication for yourself first. Then you can ask it of everyone."
    ),
    "date_without_soft": lazy_gettext("A date goes with “Soft” only."),
    "has_password": lazy_gettext("%(name)s has a password already, or is disabled."),
    "invited_often": lazy_gettext(
        "%(name)s was sent several invitations. Wait until %(time)s, then send another one."
    ),
    "level_choice": lazy_gettext("Choose “Off”, “Soft” or “Hard”."),
    "date_bad": lazy_gettext("That is not a date. Write it like 2031-05-06."),
    "days_bad": lazy_gettext("Give a number of days from 0 to %(most)s."),
    "date_far": lazy_gettext("Choose a date up to the year %(year)s."),
    "date_past": lazy_gettext("Choose a date that is still to come."),
}
