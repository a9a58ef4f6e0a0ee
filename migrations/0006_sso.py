"""Sign-in by SSO: identities, trips to a provider, exempt sign-ins

Revision: 0006, after: 0005
"""

import sqlalchemy as sa
from alembic import op


revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('sign_ins', sa.Column('provider_id', sa.String(), nullable=True))
    op.add_column('sign_ins', sa.Column('exempt_at', sa.DateTime(timezone=True), nullable=True))
    op.create_table('identities',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('issuer', sa.String(), nullable=False),
    sa.Column('subject', sa.String(), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('tied_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_identities_account_id_accounts')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identities')),
    sa.UniqueConstraint('account_id', 'issuer', name=op.f('uq_identities_account_id')),
    sa.UniqueConstraint('issuer', 'subject', name=op.f('uq_identities_issuer'))
    )
    op.create_table('sso_trips',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('state_hash', sa.String(), nullable=False),
    sa.Column('browser', sa.String(), nullable=False),
    sa.Column('provider_id', sa.String(), nullable=False),
    sa.Column('purpose', sa.Enum('sign in', 'proof', name='purpose', native_enum=False, length=20), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('used_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('refused', sa.String(), nullable=True),
    sa.Column('sign_in_id', sa.Integer(), nullable=True),
    sa.Column('account_id', sa.Integer(), nullable=True),
    sa.Column('subject', sa.String(), nullable=True),
    sa.Column('exempt_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('tied_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_sso_trips_account_id_accounts')),
    sa.ForeignKeyConstraint(['sign_in_id'], ['sign_ins.id'], name=op.f('fk_sso_trips_sign_in_id_sign_ins')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sso_trips')),
    sa.UniqueConstraint('state_hash', name=op.f('uq_sso_trips_state_hash'))
    )
    op.create_index(op.f('ix_sso_trips_browser'), 'sso_trips', ['browser'], unique=False)
    op.create_index(op.f('ix_sso_trips_sign_in_id'), 'sso_trips', ['sign_in_id'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_sso_trips_sign_in_id'), table_name='sso_trips')
    op.drop_index(op.f('ix_sso_trips_browser'), table_name='sso_trips')
    op.drop_table('sso_trips')
    op.drop_table('identities')
    for column in ('exempt_at', 'provider_id'):
        op.drop_column('sign_ins', column)
