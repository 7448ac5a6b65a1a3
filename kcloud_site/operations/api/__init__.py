"""Operations and the audit trail over the API."""
